"""Volume data for measurements."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from config.demo.volume import generate_deals


class Command(BaseCommand):
    help = "Adds many open deals at once. No rule runs for them and nothing is sent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--deals", type=int, required=True, metavar="N")
        parser.add_argument("--pipeline", metavar="NAME", help="made where there is none; else the first")
        parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same deals")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["deals"] < 0:
            raise CommandError("--deals is a number from 0")
        pipeline = generate_deals(
            count=options["deals"], pipeline_name=options["pipeline"], seed=options["seed"]
        )
        self.stdout.write(f"{options['deals']} deals added to “{pipeline}”.")
