"""Handing work to the machines of a dask.distributed cluster. The only door to `distributed`.

All machines must see the same files under the same names: inputs, the folder of the outputs and the store. Bands
write into disjoint ranges of one file, so a band that is made twice, because a worker died, changes nothing.
"""

from __future__ import annotations

import itertools
import pickle
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from .errors import Cancelled, EngineError

_runs = itertools.count()
# Seconds to wait for a scheduler that does not answer.
_TIMEOUT = 20


class Cluster:
    """A connection to a running scheduler.

    Parameters
    ----------
    address
        Such as ``tcp://10.0.0.5:8786``, or the path of a scheduler file.

    Raises
    ------
    EngineError
        `distributed` is not installed, nobody answers there, or there are no workers.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as e:
            raise EngineError("a cluster wants the extra 'cluster': pip install 'lerarlink[cluster]'") from e
        given = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
        self._client: Any
        try:
            self._client = Client(**given, timeout=_TIMEOUT, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as e:
            raise EngineError(f"no cluster at {address}: {e}") from e
        self.workers = sum(self._client.nthreads().values())
        if not self.workers:
            self.close()
            raise EngineError(f"the cluster at {address} has no workers")

    def close(self) -> None:
        """Leave the cluster; work that is still queued is dropped."""
        self._client.close()

    def send(self, work: Any) -> Any:
        """Bring *work* to each worker once; what is returned stands for it in tasks.

        As the result of a task, not as scattered data: what dies with a worker is then made again by another.
        """
        return self._client.submit(pickle.loads, pickle.dumps(work), key=f"plan-{next(_runs)}", pure=False)

    def get(
        self,
        tasks: dict[Any, tuple[Any, ...]],
        wanted: list[Any],
        done: Callable[[Any, Any], None],
        cancel: threading.Event,
    ) -> list[Any]:
        """Run *tasks* and return the results of *wanted*, as `Lane.get` does.

        Raises
        ------
        Cancelled
            *cancel* was set.
        EngineError
            Workers died over the same task again and again.
        """
        from distributed import KilledWorker, as_completed

        futures: dict[Any, Any] = {}
        feeds: dict[Any, list[Any]] = {}
        run = next(_runs)
        for key, (function, *given) in tasks.items():
            feeds[key] = [a for a in given if isinstance(a, tuple) and a in futures]
            arguments = [futures[a] if isinstance(a, tuple) and a in futures else a for a in given]
            # The first word is what the dashboard groups by.
            name = f"{function.__name__}-{run}-{'-'.join(map(str, key))}"
            futures[key] = self._client.submit(function, *arguments, key=name, pure=False)
        names = {future.key: key for key, future in futures.items()}
        asked = set(wanted)
        users = Counter(feed for taken in feeds.values() for feed in taken)
        results: dict[Any, Any] = {}
        try:
            finished: Any = as_completed(futures.values(), loop=self._client.loop)  # type: ignore[no-untyped-call]
            for future in finished:
                key = names[future.key]
                if key in asked or future.status == "error":
                    results[key] = future.result()
                done(key, results.get(key))
                # What nobody will ask for again must not stay in the memory of workers.
                for feed in feeds[key]:
                    users[feed] -= 1
                    if not users[feed] and feed not in asked:
                        futures[feed].release()
                if cancel.is_set():
                    raise Cancelled("the run was stopped")
        except KilledWorker as e:
            raise EngineError(f"workers of the cluster died over {e.task} again and again (out of memory?)") from e
        finally:
            for future in futures.values():
                future.cancel() if not future.done() else future.release()
        return [results[key] for key in wanted]
