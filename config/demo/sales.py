"""What the demo's sales team sells, and to whom. Everything is invented; the domains are reserved for examples."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A stage of the demo, with the number of open deals in it."""

    name: str
    probability: int
    rotting_days: int
    deals: int


@dataclass(frozen=True)
class Board:
    """A pipeline of the demo. `won` and `lost` are its closed deals, `products` what its deals are called."""

    name: str
    columns: list[Column]
    won: int
    lost: int
    products: list[str]


SALES = Board(
    "Vendas",
    [
        Column("Novo contato", 10, 7, deals=12),
        Column("Qualificação", 25, 10, deals=10),
        Column("Reunião", 40, 10, deals=8),
        Column("Proposta", 60, 7, deals=7),
        Column("Negociação", 75, 10, deals=5),
        Column("Fechamento", 90, 5, deals=3),
    ],
    won=9,
    lost=7,
    products=[
        "Plano Profissional, 20 usuários",
        "Plano Empresa, 3 filiais",
        "Plano Essencial para a matriz",
        "Implantação completa",
        "Implantação nas lojas do interior",
        "Integração com o ERP",
        "Integração com a loja virtual",
        "Migração do sistema antigo",
        "Módulo fiscal",
        "Módulo de estoque",
        "Módulo financeiro",
        "Aplicativo para a equipe externa",
        "Treinamento da equipe comercial",
        "Consultoria de processos",
        "Suporte 24 horas",
    ],
)

RENEWALS = Board(
    "Renovações",
    [
        Column("A vencer", 50, 15, deals=6),
        Column("Contato feito", 60, 10, deals=5),
        Column("Proposta enviada", 75, 7, deals=4),
        Column("Em negociação", 85, 7, deals=3),
        Column("Aguardando assinatura", 95, 4, deals=2),
    ],
    won=4,
    lost=2,
    products=[
        "Renovação anual do Plano Profissional",
        "Renovação anual do Plano Empresa",
        "Renovação com ampliação para 50 usuários",
        "Renovação do suporte 24 horas",
        "Renovação bienal",
    ],
)


@dataclass(frozen=True)
class Customer:
    """A company and the person we talk to. `slug` makes its domain."""

    company: str
    slug: str
    contact: str
    job_title: str


CUSTOMERS = [
    Customer("Padaria Aurora", "padaria-aurora", "Helena Duarte", "Proprietária"),
    Customer("Transportes Serra Azul", "serra-azul", "Rogério Pacheco", "Diretor de operações"),
    Customer("Clínica Vila Verde", "clinica-vila-verde", "Dra. Camila Fontes", "Diretora clínica"),
    Customer("Metalúrgica Horizonte", "metal-horizonte", "Sérgio Antunes", "Gerente industrial"),
    Customer("Colégio Pedra Branca", "pedra-branca", "Lúcia Medeiros", "Diretora administrativa"),
    Customer("Rede Farma Bem", "farma-bem", "Paulo Vasconcelos", "Gerente de TI"),
    Customer("Construtora Ipê", "construtora-ipe", "Renata Sampaio", "Diretora financeira"),
    Customer("Supermercados Boa Mesa", "boa-mesa", "Otávio Lacerda", "Diretor comercial"),
    Customer("Vinícola Três Rios", "tres-rios", "Giovana Bertoldi", "Sócia"),
    Customer("Hotel Mirante do Sul", "mirante-do-sul", "Fábio Noronha", "Gerente geral"),
    Customer("AgroCampo Insumos", "agrocampo", "Valdir Schneider", "Comprador"),
    Customer("Estúdio Ponto & Linha", "ponto-e-linha", "Beatriz Amaral", "Sócia"),
    Customer("Distribuidora Litoral", "litoral", "Anderson Prado", "Gerente de logística"),
    Customer("Laboratório Santa Clara", "santa-clara", "Dr. Hugo Meirelles", "Responsável técnico"),
    Customer("Móveis Jacarandá", "jacaranda", "Patrícia Lemos", "Gerente de vendas"),
    Customer("Auto Peças Veloz", "veloz", "Cristiano Barros", "Proprietário"),
    Customer("Editora Letra Viva", "letra-viva", "Marina Coutinho", "Diretora editorial"),
    Customer("Energia Solar Nascente", "nascente", "Thiago Moraes", "Diretor técnico"),
    Customer("Têxtil Rio Claro", "textil-rio-claro", "Sônia Bittencourt", "Gerente financeira"),
    Customer("Academia Corpo Livre", "corpo-livre", "Leandro Queiroz", "Proprietário"),
    Customer("Contabilidade Exata", "exata", "Regina Falcão", "Sócia"),
    Customer("Pousada Maré Mansa", "mare-mansa", "Joana Peixoto", "Proprietária"),
    Customer("Frigorífico Campo Belo", "campo-belo", "Édson Tavares", "Diretor"),
    Customer("Óptica Visão Clara", "visao-clara", "Mônica Rangel", "Gerente"),
    Customer("Café Serra do Cipó", "serra-do-cipo", "Augusto Vilela", "Produtor"),
    Customer("Imobiliária Porto Novo", "porto-novo", "Daniela Guedes", "Diretora"),
    Customer("Escola de Idiomas Ponte", "ponte-idiomas", "Eduardo Sales", "Coordenador"),
    Customer("Gráfica Papel & Cor", "papel-e-cor", "Simone Arruda", "Gerente de produção"),
    Customer("Pet Shop Amigo Fiel", "amigo-fiel", "Rafael Dornelles", "Proprietário"),
    Customer("Segurança Guardiã", "guardia", "Wagner Pimentel", "Diretor de contratos"),
]

SOURCES = ["Site", "Indicação", "Feira do setor", "LinkedIn", "Prospecção ativa"]
LOST_REASONS = ["Preço", "Sem orçamento este ano", "Escolheu o concorrente", "Parou de responder"]
TAGS = ["VIP", "Multiunidades", "Urgente", "Decisor envolvido", "Concorrência"]
SEGMENTS = ["Varejo", "Indústria", "Serviços", "Saúde", "Educação"]
TERMS = ["12 meses", "24 meses", "36 meses"]

TASKS = [
    "Ligar para confirmar o interesse",
    "Enviar a proposta revisada",
    "Cobrar a resposta do financeiro",
    "Agendar a demonstração",
    "Enviar casos de clientes do setor",
]
MEETINGS = ["Demonstração por vídeo", "Visita à matriz", "Reunião com a diretoria"]
NOTES = [
    "Pediu comparação com o sistema atual. Decisão depende da diretoria.",
    "Gostou da demonstração; quer começar por uma filial.",
    "Orçamento aprovado para este semestre.",
    "Pediu desconto para contrato de 24 meses.",
    "Prefere contato por telefone, depois das 14h.",
]
