"""PyTorch, from the shell to a model on disk: SGD with Nesterov's momentum and a one-cycle learning rate."""

import torch
from digits import arguments, load
from torch import nn

options = arguments()
torch.manual_seed(options.seed)
x, y, x_judge, y_judge = map(torch.from_numpy, load(options.validate))
model = nn.Sequential(nn.Linear(784, options.hidden), nn.ReLU(), nn.Linear(options.hidden, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=options.learning_rate, momentum=0.9, nesterov=True, fused=True)
steps = options.epochs * -(-len(x) // options.batch_size)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=steps, pct_start=0.1)
for _ in range(options.epochs):
    for rows in torch.randperm(len(x)).split(options.batch_size):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
torch.save(model.state_dict(), "model.pt")
with torch.inference_mode():
    print((model(x_judge).argmax(1) == y_judge).float().mean().item())
