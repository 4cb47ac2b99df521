"""Server: FedAvg as agreed, and a copy of every client's update."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from federated.model import model_for


class CuriousFedAvg(FedAvg):
    """FedAvg that also saves the parameters before and after each client's training.

    In `folder`, round r writes `round-r/before.npz` and for each client k `round-r/client-k.npz`:
    the list of arrays as in the message, in the order of `state_dict()`.

    Args:
        folder: folder to write to.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(fraction_evaluate=0.0)
        self.folder = folder

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Save the parameters before training, then send them as `FedAvg` does."""
        self._save(server_round, "before", arrays)
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Save the parameters after training, then average them as `FedAvg` does.

        Raises:
            RuntimeError: no client has trained.
        """
        received = list(replies)
        sent = [reply for reply in received if not reply.has_error()]
        if not sent:
            reasons = {reply.error.reason for reply in received} or {"no client replied"}
            raise RuntimeError(f"no client has trained: {'; '.join(reasons)}")
        for reply in sent:
            name = f"client-{reply.content['client']['number']}"
            self._save(server_round, name, reply.content["arrays"])
        return super().aggregate_train(server_round, received)

    def _save(self, server_round: int, name: str, arrays: ArrayRecord) -> None:
        folder = self.folder / f"round-{server_round}"
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / f"{name}.npz", *arrays.to_numpy_ndarrays())


app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the rounds."""
    config = context.run_config
    folder = Path(str(config["output"])).absolute()
    # What an earlier run left must not mix with this one, which may have fewer rounds or clients.
    for earlier in [*folder.glob("round-*/*"), *folder.glob("clients/*")]:
        earlier.unlink()
    torch.manual_seed(int(config["seed"]))
    model = model_for(str(config["dataset"]))
    strategy = CuriousFedAvg(folder)
    strategy.start(grid, ArrayRecord(model.state_dict()), num_rounds=int(config["rounds"]))
    print(f"Updates are in {folder}")
