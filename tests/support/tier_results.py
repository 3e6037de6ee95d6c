"""What the compiled loops compute on the tier that Numba is told to compile for.

test_tiers.py runs it in other processes.

python -m tests.support.tier_results FILE.npz
"""

import sys

import numpy as np

from minibert.bert.checkpoint import from_arrays
from minibert.encoder import forward
from minibert.ops.compiled.encoder import encoder_of
from minibert.ops.compiled.jit_loops import host_tier, loops_for
from minibert.ops.compiled.tiers import Tier
from minibert.packing import pack
from tests.support.golden_cases import CASES, Case
from tests.support.models import make_weights

NAMES = {"generic": ("L2_H15", "L1_H24")}  # the tier that is also run without a compiler is slow
LENGTHS = (1, 7, 2, 40, 12)


def results(case: Case, tier: Tier) -> dict[str, np.ndarray]:
    """Hidden states after each layer and pooler output, in both precisions."""
    random = np.random.RandomState(3)
    batch = pack([random.randint(0, case.config.vocab_size, min(size, case.config.max_position_embeddings)) for size in LENGTHS])
    weights = from_arrays(make_weights(case.config), case.config)
    found = {}
    for precision in ("float32", "int8"):
        encoder = encoder_of(loops_for(tier), weights, precision == "int8")
        states = forward(encoder, batch, range(case.config.num_hidden_layers + 1))
        found[precision] = np.stack([*states, encoder.pooler(states[-1])])
    return found


if __name__ == "__main__":
    np.seterr(all="ignore")  # without a compiler, a lane that is not used may hold anything
    tier = host_tier()
    every = {f"{name}/{key}": value for name in NAMES.get(tier.name, CASES) for key, value in results(CASES[name], tier).items()}
    np.savez(sys.argv[1], tier=tier.name, **every)
