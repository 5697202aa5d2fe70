"""Commands and options of ``dross bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["Device", "bench_app"]

bench_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Repeat the tables of the papers, and compare methods on their draws. Data: the folder DROSS_DATA.",
)

_RESULTS = Path("benchmarks/results/cells")


Tables = Annotated[
    list[str] | None, typer.Argument(metavar="[TABLE]...", help="As duad-2, or duad for all of it.")
]
Budget = Annotated[Literal["smoke", "cpu", "gpu", "paper"], typer.Option(help="How much of a table is run.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option()]
ResultsFolder = Annotated[Path, typer.Option(help="Folder of the results, one line of JSON per cell.")]


@bench_app.command("list", help="List the tables, the data they need, and what has run.")
def list_tables(tables: Tables = None, budget: Budget = "cpu", results: ResultsFolder = _RESULTS) -> None:
    from dross.cli.bench import run_list

    run_list(tuple(tables or ()), budget, results)


@bench_app.command(help="Run tables; every result is written down as it comes.")
def run(
    tables: Annotated[list[str], typer.Argument(metavar="TABLE...", help="As duad-2, duad, or all.")],
    detector: Annotated[
        list[str] | None, typer.Option(help="Only this detector or method; more than once for more.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Only cells on this data set; more than once for more.")
    ] = None,
    budget: Budget = "cpu",
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds 0, 1, … of each cell.")] = None,
    device: Device = "auto",
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Cells at a time; they share the cores.")] = 1,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no cell later than this; go on with --resume.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what has a result.")] = False,
    results: ResultsFolder = _RESULTS,
) -> None:
    from dross.cli.bench import run_bench

    run_bench(
        tuple(tables),
        detectors=tuple(detector or ()),
        data=tuple(data or ()),
        budget=budget,
        seeds=seeds,
        device=device,
        jobs=jobs,
        minutes=minutes,
        resume=resume,
        results=results,
    )


@bench_app.command(help="Print tables: ours, the paper's numbers, the classical baselines, seconds.")
def table(
    tables: Tables = None,
    budget: Budget = "cpu",
    format: Annotated[
        Literal["markdown", "html", "json"], typer.Option(help="html draws the figures too.")
    ] = "markdown",
    results: ResultsFolder = _RESULTS,
) -> None:
    from dross.cli.bench import run_table

    run_table(tuple(tables or ()), budget, format, results)


@bench_app.command(help="List the data sets: present or not, layouts, sources, licences.")
def data(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="As mnist.")] = None,
) -> None:
    from dross.cli.bench import run_data

    run_data(tuple(names or ()))
