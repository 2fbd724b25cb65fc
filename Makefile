# The commands of this project; `make run` and `make test` need nothing but Python 3.11, make and git beforehand.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: run install test lint bench lock messages

PY := .venv/bin/python
CATALOGUES := $(wildcard config/locale/*/LC_MESSAGES/django.po)

run: install
	@$(PY) -m config.local
	@exec $(PY) manage.py run

install: .venv/installed $(CATALOGUES:.po=.mo)

test: install
	.make/program openssl openssl >/dev/null && .make/program curl curl >/dev/null && .make/program node nodejs >/dev/null
	CHROMIUM="$$(.make/chromium)" && export CHROMIUM && $(PY) -m pytest $(ARGS)

lint: install
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m djlint --quiet --lint templates
	$(PY) -m mypy
	.venv/bin/lint-imports --no-logo
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) manage.py makemigrations --check --dry-run
	DEBUG=false SECRET_KEY="$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(50))')" \
	ENCRYPTION_KEYS="$$($(PY) -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')" \
	ALLOWED_HOSTS=crm.example.com PUBLIC_URL=https://crm.example.com \
	$(PY) manage.py check --deploy --fail-level WARNING

bench: install
	$(PY) -m tests.benchmarks $(ARGS)

# Writes requirements.lock anew from pyproject.toml, with the newest versions that it allows.
lock: .venv/bin/python
	$(PY) -m pip install --disable-pip-version-check --quiet uv
	$(PY) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-annotate --no-emit-index-url --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

# Brings the catalogues up to date with the texts in the code and the templates.
messages: install
	$(PY) -m babel.messages.frontend --quiet extract --mapping pyproject.toml --add-location file --sort-by-file \
		--ignore-dirs '.*' --output .venv/django.pot .
	$(PY) -m babel.messages.frontend --quiet update --input-file .venv/django.pot --output-dir config/locale \
		--domain django --locale pt_BR --init-missing --ignore-obsolete --no-fuzzy-matching

.venv/bin/python:
	@.make/venv

.venv/installed: requirements.lock | .venv/bin/python
	$(PY) -m pip install --disable-pip-version-check --no-input --quiet --require-hashes -r requirements.lock
	@touch $@

%.mo: %.po .venv/installed
	$(PY) -m babel.messages.frontend --quiet compile --input-file $< --output-file $@
