"""The software-defined assets, one file a stage, in lineage order.

An asset body reads, calls core and store, writes, and returns metadata.
"""

import warnings

# Says at every start that backfill policies may change; the pinned version decides when.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
