"""Fine-tunes DF1 on a folder of images, one sub-folder a class: finetune.py IMAGES df1.caffemodel EPOCHS."""

import random
import sys
from dataclasses import replace

import torch

from caffe_zoo import card, create_model
from converters import save_weights, weights_of
from prototxt_gen import generate, write_prototxt
from search import image_folder

data = image_folder(sys.argv[1], (224, 224))
model = create_model("df1", sys.argv[2], num_classes=len(data.classes))
# The authors advise weight decay 0.0001: with another, accuracy suffers.
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0001)
for epoch in range(int(sys.argv[3])):
    model.train()
    for batch in torch.randperm(len(data.train.labels)).split(32):
        images, labels = data.train.images(batch.tolist(), random), data.train.labels[batch]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        found = [
            model(data.held_out.images([index], None)).argmax().item() for index in range(len(data.held_out.labels))
        ]
    print(
        f"epoch {epoch + 1}: {(torch.tensor(found) == data.held_out.labels).float().mean():.1%} of the held-out images"
    )

net = generate(replace(card("df1").architecture, classes=len(data.classes)))
write_prototxt(net, "finetuned.prototxt")
save_weights(weights_of(model), "finetuned.caffemodel", net)
