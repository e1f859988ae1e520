"""Sliders for notebooks: the predicted reach follows the parameters at once."""

import html
import io
from typing import TYPE_CHECKING, Any

from data.errors import InvalidInputError

if TYPE_CHECKING:
    from analytics.surrogates.axes import Axis
    from analytics.surrogates.surrogate import Surrogate

STEPS = 200
"""Positions of a slider."""
DOTS_PER_INCH = 90


class Explorer:
    """Sliders for the parameters of a surrogate, above the predicted reach and the curve along the first parameter.

    Attributes
    ----------
    sliders : dict
        Widget of each parameter, by name.
    text, picture : widgets
        The prediction, and the curve with the prediction marked.
    """

    def __init__(self, found: "Surrogate", widgets: Any) -> None:
        self._found = found
        self.sliders = {axis.name: _slider(axis, widgets) for axis in found.axes}
        self.text = widgets.HTML()
        self.picture = widgets.Image(format="png")
        self.box = widgets.VBox([*self.sliders.values(), self.text, self.picture])
        for slider in self.sliders.values():
            slider.observe(self.update, names="value")
        self.update()

    @property
    def values(self) -> dict[str, int | float]:
        """Values that the sliders are at."""
        return {axis.name: axis.plain(self.sliders[axis.name].value) for axis in self._found.axes}

    def update(self, change: Any = None) -> None:  # noqa: ARG002 (widgets pass what has changed)
        """Show the prediction at the sliders' values."""
        from matplotlib.figure import Figure

        from analytics.surrogates.picture import surrogate_picture
        from propagation.pictures import COLOURS, FIGURE_SIZE

        at, first = self.values, self._found.parameters[0]
        predicted = self._found.predict(**at)
        self.text.value = f"<b>{html.escape(str(predicted))}</b>"
        others = {name: value for name, value in at.items() if name != first}
        figure, buffer = Figure(figsize=FIGURE_SIZE, layout="constrained"), io.BytesIO()
        ax = surrogate_picture(self._found, ax=figure.subplots(), fixed=others, drawn=1)
        ax.plot([at[first]], [predicted.reach], marker="o", markersize=10, color=COLOURS[1], zorder=4)
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
        self.picture.value = buffer.getvalue()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)


def _slider(axis: "Axis", widgets: Any) -> Any:
    """Return a slider over the range of a parameter, at its middle."""
    middle = axis.plain(float(axis.values(0.5)))
    common = {"value": middle, "description": axis.name, "style": {"description_width": "initial"}}
    if axis.whole:
        return widgets.IntSlider(min=round(axis.low), max=round(axis.high), **common)
    step = (axis.high - axis.low) / STEPS
    return widgets.FloatSlider(min=axis.low, max=axis.high, step=step, readout_format=".4g", **common)


def explore(found: "Surrogate") -> Explorer:
    """Show sliders for the parameters of a surrogate in a notebook; the predicted reach follows them at once.

    Needs ipywidgets, which is part of ``rumormill[notebooks]``.

    Parameters
    ----------
    found : Surrogate

    Returns
    -------
    Explorer
        Shown at the end of a cell.

    Raises
    ------
    InvalidInputError
        If ipywidgets is not installed.
    """
    try:
        import ipywidgets
    except ImportError:
        raise InvalidInputError("sliders need ipywidgets; install rumormill[notebooks]") from None
    return Explorer(found, ipywidgets)
