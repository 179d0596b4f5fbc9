"""A search that trains each candidate by a function of one's own: own_training.py OUT."""

import sys

import torch

from converters import to_torch, weights_of
from search import BackboneSpace, boundary_table, digits, run_search, write_report

data = digits((16, 16))


def train(net, seed):
    torch.manual_seed(seed)
    model = to_torch(net, phase="TRAIN")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for batch in torch.randperm(len(data.train)).repeat(2).split(64):
        outputs = model(data.train.images(batch.tolist(), None))
        loss = torch.nn.functional.cross_entropy(outputs, data.train.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    answers = model.eval()(data.held_out.images(range(len(data.held_out)), None)).argmax(dim=1)
    return (answers == data.held_out.labels).float().mean(), weights_of(model)


if __name__ == "__main__":
    space = BackboneSpace(((1, 2), (1, 2)), (8, 16, 32), stem=(4, 8), classes=10, input_shape=(1, 3, 16, 16))
    search = run_search(space, train, sys.argv[1], "torch", trials=4)
    print(boundary_table(write_report(search, sys.argv[1], "torch")))
