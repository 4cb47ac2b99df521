"""Client: some epochs of SGD on its own pictures, as in Flower's quickstart."""

import math
from pathlib import Path

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import LocalDpMod
from flwr.clientapp.typing import ClientAppCallable
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from federated.data import private_pictures
from federated.model import model_for


def local_privacy(message: Message, context: Context, train: ClientAppCallable) -> Message:
    """Clip the update and add noise to it before it leaves, if the configuration says so.

    Two updates of norm C differ by 2 C at most, which is the sensitivity.
    """
    config = context.run_config
    norm, epsilon = float(config["clipping-norm"]), float(config["epsilon"])
    if math.isinf(norm) and math.isinf(epsilon):
        return train(message, context)
    return LocalDpMod(norm, 2 * norm, epsilon, float(config["delta"]))(message, context, train)


app = ClientApp(mods=[local_privacy])


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the server's weights; send back the trained ones."""
    config, client = context.run_config, int(context.node_config["partition-id"])
    private = private_pictures(
        str(config["dataset"]),
        str(config["data-root"]),
        client,
        int(config["samples"]),
        int(config["seed"]),
    )
    _keep(Path(str(config["output"])) / "clients", client, private.inputs)

    model = model_for(str(config["dataset"]))
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    batches = DataLoader(
        TensorDataset(private.inputs, private.labels),
        batch_size=int(config["batch-size"]),
        shuffle=True,
        generator=torch.Generator().manual_seed(client),
    )
    loss = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=float(config["learning-rate"]))
    for _ in range(int(config["epochs"])):
        for pictures, labels in batches:
            optimizer.zero_grad()
            loss(model(pictures), labels).backward()
            optimizer.step()

    records = {
        "arrays": ArrayRecord(model.state_dict()),
        "metrics": MetricRecord({"num-examples": len(private.labels)}),
        "client": ConfigRecord({"number": client}),
    }
    return Message(RecordDict(records), reply_to=message)


def _keep(folder: Path, client: int, pictures: torch.Tensor) -> None:
    """Save the true pictures for the comparison alone; they are not part of the message."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"client-{client}.npz", pictures.numpy())
