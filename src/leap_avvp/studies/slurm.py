"""Cells as jobs of Slurm: each submitted once, found again by any later call, and gone on with when its time is up.

A job is a shell script in the cell's folder that runs the cell's own command: nothing is pickled, and ``sbatch`` on the
script does the same by hand. Two minutes before its time ends Slurm tells the script, the training saves, and the job
puts itself back into the queue; one that is pre-empted is put there by Slurm. Only ``squeue`` is asked what there is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from leap_avvp.errors import ConfigError, DataError, LeapError
from leap_avvp.files import write_whole
from leap_avvp.media.engines.on_slurm import job_options
from leap_avvp.studies.cells import INTERRUPTED, CellResult, cannot_run, inputs, outcome, prepare, write_state
from leap_avvp.studies.plan import Cell
from leap_avvp.studies.processes import LOG_FILE

__all__ = ["SlurmCells"]

_SCRIPT, _EXIT, _STARTED, _JOB = "slurm.sh", "slurm-exit", "slurm-started", "slurm-job"
_DEFAULTS: Mapping[str, object] = {"time": 240, "cpus_per_task": 1, "signal": "B:USR1@120"}
_OURS = ("output", "error", "open_mode", "requeue", "dependency", "array", "parsable", "chdir", "wrap", "ntasks")
_ASK = 5.0  # seconds between questions to Slurm
_PATIENCE = 600.0  # without an answer of it
_PROGRAMS = ("sbatch", "squeue", "scontrol")

# Slurm's SIGTERM reaches every process of the job, so the script only stays; SIGUSR1 reaches the script alone.
_JOB_SCRIPT = """\
#!/bin/sh
# {cell}: written by leap-avvp reproduce --engine slurm
cd {directory} || exit 1
export OMP_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}" MKL_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}"
folder={folder}
rm -f "$folder/{exit}"
: > "$folder/{started}"
late=
trap : TERM
trap 'late=1; kill -USR1 "$child"' USR1
{command} < /dev/null &
child=$!
wait "$child"
code=$?
while [ "$code" -gt 128 ] && kill -0 "$child" 2> /dev/null; do
  wait "$child"
  code=$?
done
if [ -n "$late" ] && [ "$code" -gt 128 ] && [ "$folder/checkpoints/last.ckpt" -nt "$folder/{started}" ]; then
  scontrol requeue "$SLURM_JOB_ID" && exit 0
fi
echo "$code" > "$folder/{exit}.part" && mv "$folder/{exit}.part" "$folder/{exit}"
exit "$code"
"""


@dataclasses.dataclass
class SlurmCells:
    """Trains cells as jobs of Slurm.

    Args:
        words: ``KEY=VALUE``, options of ``sbatch``: ``partition=gpu``, ``time=4:00:00``, ``gpus=1``, ``mem=8G``.
        wait: for the ends of all; else what is missing is submitted and named.
        console: for a line when something becomes of a cell.
        most: cells in the queue at once; None for all.

    Raises:
        ConfigError: no Slurm here, or a wrong option.
    """

    words: Sequence[str]
    wait: bool
    console: Console
    most: int | None = None

    def __post_init__(self) -> None:
        for program in _PROGRAMS:
            if shutil.which(program) is None:
                raise ConfigError(f"--engine slurm: expected Slurm's {program} on this machine, found none")
        given = job_options(self.words)
        for key in given:
            if key in _OURS:
                raise ConfigError(f"--slurm: {key} is set by the command itself; leave it out")
        self._options = dict(_DEFAULTS) | given
        self._answered = time.monotonic()
        self._submitted: dict[str, float] = {}
        """When cells were submitted here, by their hashes; of a later second than any file before."""

    def train(self, results: Sequence[CellResult]) -> dict[str, str]:
        """Submit every cell that is neither finished nor in the queue; return what is in it at the end, by hash.

        Args:
            results: of :func:`~leap_avvp.studies.sweep.inspect_plan`; what a cell needs stands before it.

        Raises:
            LeapError: Slurm takes no job, or does not answer.
        """
        known = {result.cell.config_hash: result for result in results}
        open_ends = [key for key, result in known.items() if result.status != "finished"]
        named: dict[str, str] = {}
        while True:
            queue = self._queue()
            if queue is not None:
                open_ends = [key for key in open_ends if self._look(key, known, queue, named)]
                if not self.wait or not open_ends:
                    return {key: named[key] for key in open_ends if key in named}
            time.sleep(_ASK)

    def _look(self, key: str, known: dict[str, CellResult], queue: dict[str, str], named: dict[str, str]) -> bool:
        """Submit a cell, name it, or note how it ended; return whether it is still to end."""
        cell = known[key].cell
        there = queue.get(_name(cell))
        if there is not None:
            if named.get(key) != there and not there.endswith(("CONFIGURING", "COMPLETING")):
                self.console.print(f"{cell}: job {there}")
                named[key] = there
            return True
        if key in self._submitted:
            known[key] = self._ended(known[key])
            if known[key].status != "not run":
                return False
        elif (cell.folder / _JOB).is_file() and (ended := self._collected(known[key])) is not None:
            known[key] = ended
            return False
        if self.most is not None and sum(_name(each.cell) in queue for each in known.values()) >= self.most:
            return True
        try:
            number = self._submit(cell, known, queue)
        except DataError as error:
            known[key] = cannot_run(cell, "", str(error), self.console)
            return False
        queue[_name(cell)] = named[key] = f"{number} PENDING"
        self.console.print(f"{cell}: submitted as job {number}\n  $ {cell.shown}")
        return True

    def _collected(self, result: CellResult) -> CellResult | None:
        """Return how a job of an earlier call has ended; None where it is to be submitted again."""
        code, cell = _exit_code(result.cell), result.cell
        (cell.folder / _JOB).unlink()
        if code in (None, *INTERRUPTED):
            return None
        return self._noted(cell, outcome(cell, int(code or 0)), int(code or 0))

    def _ended(self, result: CellResult) -> CellResult:
        """Return what became of a cell whose job is no longer in the queue; "not run" where it is to go on."""
        cell, code = result.cell, _exit_code(result.cell)
        (cell.folder / _JOB).unlink(missing_ok=True)
        if code not in (None, *INTERRUPTED):
            return self._noted(cell, outcome(cell, int(code or 0)), int(code or 0))
        last = cell.folder / "checkpoints" / "last.ckpt"
        if last.is_file() and last.stat().st_mtime > self._submitted[cell.config_hash]:
            self.console.print(f"{cell}: its job ended, and goes on from its checkpoint")
            return CellResult(cell, "not run")
        why = "its job ended before a checkpoint was saved: cancelled, out of time or memory, or its node was lost"
        return self._noted(cell, CellResult(cell, "failed", error=why), 1)

    def _noted(self, cell: Cell, result: CellResult, code: int) -> CellResult:
        write_state(cell, code, result.error)
        average = None if result.record is None else result.record.test.get("average")
        said = "finished" + ("" if average is None else f", Avg. {average:.1f}")
        if result.record is None:
            said = f"broken (exit code {code}), going on: {result.error}"
        self.console.print(f"{cell}: {said}")
        return result

    def _submit(self, cell: Cell, known: Mapping[str, CellResult], queue: Mapping[str, str]) -> str:
        """Submit a cell, behind the jobs that make what it needs; return the job's number.

        Raises:
            DataError: what it needs will not be there.
            LeapError: Slurm takes no job.
        """
        behind = []
        for need in cell.needs:
            other = known.get(need.config_hash)
            job = None if other is None else queue.get(_name(other.cell))
            if job is not None:
                behind.append(job.split()[0])
        if not behind:
            cell = cell.reading(inputs(cell, known))
        prepare(cell, self.console)
        write_state(cell, None)
        script = _JOB_SCRIPT.format(
            cell=str(cell).replace("\n", " "),
            directory=shlex.quote(str(Path.cwd())),
            folder=shlex.quote(str(cell.folder)),
            command=shlex.join(cell.command),
            exit=_EXIT,
            started=_STARTED,
        )
        write_whole(cell.folder / _SCRIPT, script)
        (cell.folder / _EXIT).unlink(missing_ok=True)
        log = str(cell.folder / LOG_FILE).replace("%", "%%")
        words = ["--parsable", f"--job-name={_name(cell)}", f"--output={log}", "--open-mode=append", "--requeue"]
        words += [f"--dependency=afterok:{':'.join(behind)}", "--kill-on-invalid-dep=yes"] if behind else []
        words += [f"--{key.replace('_', '-')}={value}" for key, value in self._options.items()]
        done = _slurm("sbatch", *words, str(cell.folder / _SCRIPT))
        if done.returncode != 0:
            raise LeapError(f"--slurm: sbatch takes no such job: {_last_line(done.stderr)}")
        number = done.stdout.strip().partition(";")[0]
        write_whole(cell.folder / _JOB, f"{number}\n")
        self._submitted[cell.config_hash] = time.time()
        return number

    def _queue(self) -> dict[str, str] | None:
        """Return number and state of what waits or runs, by name; None where Slurm does not answer.

        Raises:
            LeapError: it has not for a long time.
        """
        done = _slurm("squeue", "--noheader", "--me", "--format=%j %i %T")
        if done.returncode == 0:
            self._answered = time.monotonic()
            lines = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("leap-avvp-")]
            return {name: " ".join(state.split()) for name, state in lines}
        if time.monotonic() - self._answered > _PATIENCE or not self.wait:
            raise LeapError(f"Slurm does not answer: {_last_line(done.stderr)}; the same command goes on")
        return None


def _name(cell: Cell) -> str:
    """Return the name of a cell's job: one for all studies whose folders lie beside one another."""
    studies = cell.folder.parents[3]  # <studies>/<study>/cells/<cell>/seed=N
    return f"leap-avvp-{cell.config_hash}-{hashlib.sha256(str(studies).encode()).hexdigest()[:8]}"


def _exit_code(cell: Cell) -> int | None:
    """Return what the cell's command has ended with; None where its job was ended before."""
    try:
        return int((cell.folder / _EXIT).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _slurm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["?"])[-1][:300]
