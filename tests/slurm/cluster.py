"""Slurm of one node on this machine, in a folder of its own: Debian's ``slurm-wlm`` and ``munge``, started as root.

``python tests/slurm/cluster.py FOLDER`` starts one, says how to use it, and ends it with Ctrl-C.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
PATIENCE = 120.0
_CONFIG = """\
ClusterName=trial
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
MinJobAge=10
OverTimeLimit=0
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=100000
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10
"""


def absence() -> str | None:
    """Say why Slurm cannot be started here; None where it can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "Slurm's daemons are started as root"
    missing = [name for name in PROGRAMS if _program(name) is None]
    return f"no {', '.join(missing)} (apt-get install slurm-wlm munge)" if missing else None


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


@dataclasses.dataclass(frozen=True)
class SlurmCluster:
    """One node that works. Jobs of partition ``urgent`` pre-empt those of ``main``, which go back into the queue."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which Slurm's programs find it."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def slurm(self, *words: str) -> str:
        """Run one of Slurm's programs, and return what it says."""
        done = subprocess.run(words, env=os.environ | self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """Return the states of all jobs that wait or run, by number: ``{"7_0": "RUNNING"}``."""
        lines = self.slurm("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def wait(self, test: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until a function says yes."""
        end = time.monotonic() + seconds
        while not test():
            assert time.monotonic() < end, f"{self.jobs()}\n{self.log()}"
            time.sleep(0.05)

    def log(self) -> str:
        """Return the ends of the daemons' logs."""
        paths = sorted(self.folder.glob("*.log"))
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in paths)


@contextlib.contextmanager
def started(folder: Path, cpus: int = 2) -> Iterator[SlurmCluster]:
    """Start the daemons, wait until the node is idle, and end all of it behind the block."""
    folder = folder.absolute()
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(secrets.token_bytes(1024))
    (folder / "munge.key").chmod(0o400)
    ports = dict(zip(("controller", "daemon"), _free_ports(2), strict=True))
    host = socket.gethostname().partition(".")[0]
    (folder / "slurm.conf").write_text(_CONFIG.format(folder=folder, host=host, cpus=cpus, **ports))
    cluster = SlurmCluster(folder)
    names = ("socket", "key", "pid", "log", "seed")
    options = dict(zip(("socket", "key-file", "pid-file", "log-file", "seed-file"), names, strict=True))
    munge = ["munged", "--foreground", "--force", *(f"--{key}={folder}/munge.{name}" for key, name in options.items())]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for words in (munge, ["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
            program = _program(words[0])
            assert program is not None
            with (folder / f"{words[0]}.out.log").open("wb") as log:
                daemons.append(
                    subprocess.Popen(
                        [program, *words[1:]],
                        env=os.environ | cluster.environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
            if words is munge:
                cluster.wait((folder / "munge.socket").exists)
        cluster.wait(lambda: _is_idle(cluster))
        yield cluster
    finally:
        if len(daemons) == 3:
            subprocess.run(
                ["scancel", "--user=root"], env=os.environ | cluster.environment, capture_output=True, check=False
            )
            with contextlib.suppress(AssertionError):
                cluster.wait(lambda: not cluster.jobs(), 20)
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(daemons):
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _is_idle(cluster: SlurmCluster) -> bool:
    done = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"],
        env=os.environ | cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0 and set(done.stdout.split()) == {"idle"}


def _free_ports(number: int) -> list[int]:
    """Return ports that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


if __name__ == "__main__":
    if why := absence():
        sys.exit(why)
    with started(Path(sys.argv[1])) as running, contextlib.suppress(KeyboardInterrupt):
        print(f"export SLURM_CONF={running.environment['SLURM_CONF']}\nCtrl-C ends it", flush=True)
        signal.pause()
