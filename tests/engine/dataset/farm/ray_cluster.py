"""Ray for real: two nodes on this machine, an actor, a node and the driver killed in the middle.

Run by test_ray.py in a Python that has Ray; prints JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[3] / "backend")]
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])

import ray  # noqa: E402 - the path comes first, also in Ray's workers
from conftest_farm import FAKE  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from teethscape.dataset.farm import ray_farm, render  # noqa: E402
from teethscape.dataset.farm.blender_worker import WorkerLaunch  # noqa: E402
from teethscape.dataset.farm.request import RenderRequest  # noqa: E402
from teethscape.progress import NoProgress  # noqa: E402


class Actor(ray_farm.CaseActor):
    """An actor whose Blender is the fake one."""

    def __init__(self, request, threads):
        mode, count = request.blender.split("|")
        command = (sys.executable, "-u", str(FAKE), "--mode", mode, "--count", count)
        ray_farm.actor_launch = lambda *_: WorkerLaunch(command)
        super().__init__(request, threads)
        (Path(count).with_suffix(".pids") / str(os.getpid())).touch()


class Trouble(NoProgress):
    """Does something terrible once a case is finished and both actors are at work."""

    def __init__(self, deed, pids: Path):
        self._deed, self._pids = deed, pids
        self._one_is_done = threading.Event()
        self._thread = threading.Thread(target=self._act, daemon=True)
        self._thread.start()
        self.done_at = float("inf")

    def stage(self, name, fraction, message=""):
        if fraction > 0:
            self._one_is_done.set()

    def _act(self):
        self._one_is_done.wait()
        while len(list(self._pids.iterdir())) < 2:
            time.sleep(0.05)
        time.sleep(0.3)
        began = time.monotonic()
        self._deed()
        self.done_at = began

    def ended(self):
        """Wait for the deed's end."""
        self._thread.join(60.0)


def alive_nodes(wanted: int) -> int:
    """Nodes that Ray believes alive; it needs some seconds to miss one."""
    deadline = time.monotonic() + 60.0
    while True:
        alive = sum(node["Alive"] for node in ray.nodes())
        if alive == wanted or time.monotonic() > deadline:
            return alive
        time.sleep(0.2)


def kill_one_actor(pids: Path) -> None:
    os.kill(int(next(iter(sorted(pids.iterdir()))).name), signal.SIGKILL)


def main(what: str, meshes: Path, output: str, count: Path) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    ray_farm.RayFarm.__init__.__defaults__ = (Actor,)
    pids = count.with_suffix(".pids")
    pids.mkdir()
    deeds = {
        "nothing": lambda: None,
        "actor": lambda: kill_one_actor(pids),
        "node": lambda: cluster.remove_node(node, allow_graceful=False),
        "driver": lambda: os.kill(os.getpid(), signal.SIGKILL),
    }
    request = RenderRequest(
        output=output, meshes=(meshes,), ray="given", threads=1, retries=3, blender=f"slow|{count}",
        scratch=count.parent / f"scratch-{what}",
    )  # fmt: skip
    trouble = Trouble(deeds[what], pids)
    summary = render.render_dataset(request, trouble)
    ended = time.monotonic()
    trouble.ended()
    more = {"nodes": alive_nodes(1 if what == "node" else 2), "in_the_middle": trouble.done_at < ended}
    sys.stdout.write(json.dumps({**summary.to_json(), **more}) + "\n")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
