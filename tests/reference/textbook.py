"""All textbook models by the names under which the models they check are registered."""

from tests.reference.cascades import independent_cascade, viral
from tests.reference.compartments import seir, si, sir, sirs, sis
from tests.reference.competing import competing_cascades
from tests.reference.hybrid import hybrid
from tests.reference.rumours import daley_kendall, maki_thompson
from tests.reference.sceptics import seiz
from tests.reference.thresholds import diffusion, fractional_threshold, linear_threshold

TEXTBOOK = {
    "independent_cascade": independent_cascade,
    "viral": viral,
    "linear_threshold": linear_threshold,
    "diffusion": diffusion,
    "fractional_threshold": fractional_threshold,
    "hybrid": hybrid,
    "si": si,
    "sis": sis,
    "sir": sir,
    "sirs": sirs,
    "seir": seir,
    "seiz": seiz,
    "maki_thompson": maki_thompson,
    "daley_kendall": daley_kendall,
    "competing_cascades": competing_cascades,
}
