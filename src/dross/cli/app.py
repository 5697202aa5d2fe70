"""Commands and options of ``dross``, and how its errors end a run."""

from __future__ import annotations

import errno
import io
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from dross.cli.bench_app import Device, bench_app
from dross.errors import DrossError

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # the styled help imports for longer than the plain one takes in all
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Find what does not belong in unlabelled data that nobody has cleaned: tables, images, text, video.",
)

app.add_typer(bench_app, name="bench")

_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "it is read-only",
}


def main() -> None:
    """Run the command line: exit 0 on success, 2 on bad input, 130 when interrupted."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # names of files may not fit the terminal's encoding
    try:
        app()
    except DrossError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
    except MemoryError:
        _fail("There is not enough memory for this data; try fewer rows, or a smaller --image-size.")
    except OSError as error:
        if error.errno is None:
            raise
        reason = _DISK.get(error.errno, error.strerror)
        _fail(f"{error.filename or 'A file'} cannot be read or written: {reason}.")


def _fail(sentence: str) -> None:
    print(f"dross: {sentence}", file=sys.stderr)
    sys.exit(2)


@app.command(help="Find what does not belong in PATH, and write scores, report and model.")
def find(
    path: Annotated[
        str, typer.Argument(help="A table, a video, or a folder or archive of images, texts or videos.")
    ],
    out: Annotated[Path | None, typer.Option(help="Result folder.  [default: dross-out/<name>]")] = None,
    features: Annotated[
        str,
        typer.Option(metavar="NAME", help="auto, raw, netvlad[:ENCODER], pretrained:ENCODER, c3d:WEIGHTS."),
    ] = "auto",
    detector: Annotated[str, typer.Option(help="A name from `dross detectors`, or auto.")] = "auto",
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the detector.")
    ] = None,
    contamination: Annotated[
        str, typer.Option(metavar="auto|SHARE", help="Share of anomalies of the total.")
    ] = "auto",
    id_column: Annotated[str | None, typer.Option(help="Column that names the rows.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Take this column as texts.")] = None,
    ignore_column: Annotated[list[str] | None, typer.Option(help="Leave this column out.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Known answers: left out, then compared.")] = None,
    anomaly_value: Annotated[
        str | None, typer.Option(help="What the label column says of an anomaly.")
    ] = None,
    kind: Annotated[
        Literal["auto", "table", "image", "text", "array", "video", "features"],
        typer.Option(help="What PATH is."),
    ] = "auto",
    array: Annotated[str | None, typer.Option(help="Which array of an .npz file.")] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            min=16,
            max=1024,
            help="Side of the square that images are fitted into; pretrained encoders take them as they are.",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes of a deep detector over the data.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Equal seeds give equal scores.")] = 0,
    device: Device = "auto",
    precision: Annotated[
        Literal["auto", "32", "bf16"], typer.Option(help="What training computes in.")
    ] = "auto",
    top: Annotated[int, typer.Option(min=0, help="Rows to explain and show, flagged or not.")] = 20,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a run cut short.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier, other result.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    from dross import pipeline
    from dross.cli.find import FindRequest, parameter_of, run_find, share_of

    request = FindRequest(
        path=path,
        out=out,
        command=shlex.join(["dross", *sys.argv[1:]]),
        resume=resume,
        force=force,
        as_json=json,
        quiet=quiet,
    )
    job = partial(
        pipeline.find,
        path,
        features=features,
        detector=detector,
        parameters=dict(map(parameter_of, param or ())),
        contamination=share_of(contamination),
        id_column=id_column,
        text_column=text_column,
        ignore_columns=ignore_column or (),
        label_column=label_column,
        anomaly_value=anomaly_value,
        kind=kind,
        array=array,
        image_size=image_size,
        epochs=epochs,
        random_state=seed,
        device=device,
        precision=precision,
        top=top,
    )
    run_find(request, job)


@app.command(help="Score new data with a model that `dross find` wrote.")
def score(
    model: Annotated[Path, typer.Argument(help="A model.dross file.")],
    path: Annotated[str, typer.Argument(help="Data like the model's; one row or one image is enough.")],
    out: Annotated[Path | None, typer.Option(help="Write the scores here: .parquet, .csv or .jsonl.")] = None,
    contamination: Annotated[
        float | None, typer.Option(help="Move the threshold to this share of the training rows.")
    ] = None,
) -> None:
    from dross.cli.score import run_score

    run_score(model, path, out, contamination)


@app.command(help="Tell what a model file holds, without running anything in it.")
def inspect(model: Annotated[Path, typer.Argument(help="A model.dross file.")]) -> None:
    from dross.cli.score import run_inspect

    run_inspect(model)


@app.command(help="List the detectors.")
def detectors(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    from dross.cli.detectors import run_detectors

    run_detectors(as_json=json)


@app.command(help="Run the main job on real data that comes with scikit-learn.")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for data and results.")] = Path("dross-demo"),
) -> None:
    from dross.cli.demo import run_demo

    run_demo(out)
