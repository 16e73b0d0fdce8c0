# %% [markdown]
# # Is it coherence that makes networks generalize?
#
# Networks with far more parameters than examples fit random labels, and yet generalize on real ones.
# "On the Generalization Mystery in Deep Learning" (Chatterjee & Zielinski 2022), with its precursors
# of 2020, says why: **gradients of similar examples are similar**. Where gradients of many examples
# agree they add up, and the network moves most in the directions that help many examples; what only
# one example asks for is learned late, or not at all. So the same descent generalizes where examples
# have something in common, and memorizes where they have not.
#
# The measure is **coherence**, $\alpha = \|\frac1m \sum_i g_i\|^2 / \frac1m \sum_i \|g_i\|^2$ over the
# gradients $g_i$ of m examples, and **m-coherence**, $m\alpha$: how many examples, itself included, a
# step on one example helps. Orthogonal gradients have 1. It grows with m, so compare it at one m.
#
# This notebook reads the finished runs of the study and trains nothing: `GENLAB_RUNS` is the study's
# folder. Verdicts are read from its card, which judges each claim at 95 % confidence and lets it fail
# unless it is shown; where an experiment was not run, its section says so. As a plain script it
# prints, and leaves its figures in `$GENLAB_RUNS/figures`.

# %%
from _finished import Finished

from research.studies import generalization_mystery as study

finished = Finished(study, 'runs/generalization_mystery/cpu')
print(study.summary(finished.tables).to_string())

# %% [markdown]
# ## An example that can be computed
#
# Six-dimensional linear regression, once with a feature that all examples share and once without: the
# whole argument with pencil and paper. The shared direction is where gradients agree; descent follows
# it, and what it learns there holds for new examples.

# %%
finished.verdicts('exact')

# %% [markdown]
# ## More random labels, less coherence
#
# The same networks, as their labels go from all real to all random. Read the three panels at the same
# step: while gradients agree, training and test accuracy should rise together.

# %%
finished.show('noise')

# %% [markdown]
# ## Who the gradient is for
#
# Of a network that is trained on some random labels one can ask how much of each step is owed to the
# examples with pristine labels and how much to those with corrupt ones. The theory says: pristine
# examples agree, so they lead at first, and are learned first; once they are fitted, what is left of
# the gradient is the corrupt ones'.

# %%
finished.show('groups')

# %%
finished.verdicts('noise')

# %% [markdown]
# ## Other data, other networks
#
# The literature has three answers to how coherent the gradients of random labels are, and they
# exclude each other. Here is coherence for each dataset and network, with the accuracy on the labels
# trained on below it, so that memorizing can be told from what comes before and after it.

# %%
finished.show('labels')

# %%
finished.verdicts('labels')
finished.reading()

# %% [markdown]
# ## Layer by layer
#
# Convolutional layers were found to be more coherent than dense ones, and weight sharing was said to
# be why: one kernel gets the gradients of all positions. That can be tested. Locally connected layers
# see what convolutions see, with a kernel for each position; shuffled pixels keep the sharing, and
# take away what neighbouring pixels have in common.

# %%
finished.show('layers')

# %%
finished.verdicts('layers')

# %% [markdown]
# ## Easy and hard examples
#
# If it is agreement that makes examples easy to learn, then examples that are learned early should
# agree more with each other, and networks trained on them alone should generalize better, than the
# same number of hard ones.

# %%
finished.show('easy_and_hard')

# %%
finished.verdicts('difficulty')

# %% [markdown]
# ## Taking away what few examples say
#
# The strongest test is an intervention. Winsorized gradient descent clips, in each coordinate, the
# most extreme gradients of a batch; medians of three batches (M3, RM3) ignore what one batch alone
# says. Both weaken what few examples ask for and keep what many do: memorizing should suffer, learning
# should not.

# %%
finished.show('averaging')

# %%
finished.verdicts('averaging')

# %% [markdown]
# ## A bound on the gap
#
# Theorem 1 turns coherence into a bound on the generalization gap, by stability. With the constants
# that are measured along the runs it can be evaluated; beside the gap is its value. What is computed
# is at most the bound: the constants should hold everywhere, not along one path alone.

# %%
finished.show('bound')

# %%
finished.verdicts('bound')

# %% [markdown]
# ## Does it predict?
#
# Beyond the paper. If coherence is the cause, then over networks of different widths, depths, data,
# noise, rates and batches, coherence early in training should tell how large the gap will be at the
# end; better than the training loss does, which is free; and among runs of equal label noise too.

# %%
finished.show('prediction')

# %%
finished.verdicts('prediction')

# %% [markdown]
# ## What replicated, and what did not

# %%
finished.names_by_verdict()

# %%
finished.all_claims()
