# %% [markdown]
# # Do networks use all that the data offer, or the simplest of it alone?
#
# "The Pitfalls of Simplicity Bias in Neural Networks" (Shah et al. 2020) builds data in which several
# features each tell the label, and asks which of them a trained network relies on. The answer is
# extreme: **the simplest, and it alone**, even where it is noisy and all the others are perfect. Such
# networks are fooled by a small change of that one feature, and fail where it is missing.
#
# The probe is **randomization**: exchange one feature among the test examples, so that it is
# distributed as before and says nothing of the label. If AUC falls to 1/2, the network relied on it; if
# nothing changes, it did not look.
#
# Two extensions. Our own question: is the feature that is learned the one whose **gradients agree**
# (coherence, see the notebook of the generalization mystery)? And natural images, where features have
# no labels: how much of what a network knows does a **linear classifier explain** (Nakkiran et al.
# 2019)?
#
# This notebook reads the finished runs of the study and trains nothing: `GENLAB_RUNS` is the study's
# folder. Verdicts are read from its card, which judges each claim at 95 % confidence and lets it fail
# unless it is shown; where an experiment was not run, its section says so. As a plain script it
# prints, and leaves its figures in `$GENLAB_RUNS/figures`.

# %%
import numpy as np
from _finished import Finished, saved

from research.figures import style
from research.studies import pitfalls as study
from research.tasks import MissingDataset, make_task

finished = Finished(study, 'runs/pitfalls/cpu')

# %% [markdown]
# ## The paper's numbers, and ours

# %%
print(study.summary(finished.tables).to_string())

# %% [markdown]
# ## Slabs: simplicity one can count
#
# A coordinate in which a threshold tells the classes apart is linear; in a k-slab the classes
# alternate, and it takes k - 1 thresholds. Both are shown below as they are drawn; the network sees all
# 50 coordinates rotated, so that none has a place of its own.


# %%
def slabs_picture() -> style.Figure:
  """Coordinates of the two classes: linear against 5-slab, 5-slab against 7-slab."""
  task = make_task(
    'slabs', features=('linear', 'slab5', 'slab7'), counts=(1, 1, 1), n_train=2_000, n_test=10
  )
  inputs, labels = task.train.inputs, task.train.labels
  with style.context():
    figure = style.Figure(figsize=(4.4, 2.2))
    for axes, (x, y), names in zip(
      figure.subplots(1, 2),
      ((0, 1), (1, 2)),
      (('linear', '5-slab'), ('5-slab', '7-slab')),
      strict=True,
    ):
      for label, color in ((0, '#E69F00'), (1, '#0072B2')):
        own = inputs[labels == label]
        axes.plot(own[:, x], own[:, y], '.', color=color, markersize=1)
      axes.set_xlabel(names[0])
      axes.set_ylabel(names[1])
  return saved(figure, finished.root / 'figures' / 'slabs_data')


slabs_picture()

# %% [markdown]
# Which of them is learned, and when. Black is the AUC as such; a feature is relied on where
# randomizing it brings the line of its colour down.

# %%
finished.show('slabs')

# %% [markdown]
# AUC could hide what logits show, so here are their distributions. Randomizing the complex features
# leaves them where they were; randomizing the simple one deals them out to both classes alike.

# %%
finished.show('logits')

# %%
finished.verdicts('slabs')

# %% [markdown]
# ## What it is good for to know: attacks
#
# A network that relies on one coordinate can be fooled by moving it. Attacks are free to move all 50;
# what share of them lies in the simple one, and does one perturbation do for all inputs?

# %%
finished.verdicts('attacks')

# %% [markdown]
# ## It costs accuracy too
#
# Make the simple feature noisy, right on 95 %, and leave 49 perfect 7-slabs beside it. A network that
# used one of those would be right always.

# %%
finished.show('generalization')

# %%
finished.verdicts('generalization')

# %% [markdown]
# ## Does anything help?
#
# Each panel is a remedy, on the same data; a blue line above one half would be one that works. The last
# is the control, without the linear coordinate.

# %%
finished.show('interventions')

# %%
finished.verdicts('interventions')

# %% [markdown]
# ## Dominoes: the same with images
#
# An MNIST digit above a picture that is harder to tell. Either half is enough.


# %%
def dominoes_picture() -> style.Figure | None:
  """The first six examples of either pairing, made as the task makes them."""
  fashion = {'bottom': 'fashion_mnist', 'bottom_classes': (0, 2)}
  split = {'bottom_train_split': 'train[:16000]', 'bottom_test_split': 'train[16000:]'}
  cifar = {'bottom': 'cifar10_partial', 'bottom_classes': (1, 9), **split}
  rows = []
  for source in (cifar, fashion):
    try:
      task = make_task('dominoes', top='mnist', n_train=64, n_test=8, **source)
    except MissingDataset as error:
      print(error)
      continue
    order = np.argsort(task.train.labels, kind='stable')
    rows.append(task.train.inputs[np.concatenate([order[:3], order[-3:]])])
  if not rows:
    return None
  with style.context():
    figure = style.Figure(figsize=(4.4, 1.9 * len(rows)))
    panels = figure.subplots(len(rows), 6, squeeze=False)
    for line, images in zip(panels, rows, strict=True):
      for axes, image in zip(line, images, strict=True):
        axes.imshow(image.squeeze(), cmap='gray', interpolation='nearest')
        axes.set_axis_off()
  return saved(figure, finished.root / 'figures' / 'dominoes_data')


dominoes_picture()

# %%
finished.show('dominoes')

# %%
finished.show('dominoes_logits')

# %%
finished.verdicts('dominoes')

# %% [markdown]
# ## Coherence meets simplicity
#
# Beyond the paper. Gradients descend where examples agree; so is the feature that wins the one on which
# their gradients agree most? For a dense first layer, the gradient falls apart into blocks, one for
# each feature, and each has an m-coherence: how many examples a step on one of them helps, through this
# feature. The linear feature correlates with the label, so at the start all gradients share its
# direction; slabs are made so that they do not. Where neither feature is linear, the answer is open.

# %%
finished.show('coherence')

# %%
finished.verdicts('coherence')

# %% [markdown]
# ## Natural images
#
# Nobody knows the features of natural images, but a linear classifier is a fair guess at the simple
# ones. Black: bits that the network's predictions tell of the labels. Blue: how many of them the linear
# classifier explains. Orange: what the network knows beyond it.

# %%
finished.show('natural')

# %%
finished.verdicts('natural')

# %% [markdown]
# ## What replicated, and what did not

# %%
finished.names_by_verdict()

# %%
finished.all_claims()
