"""Sliders for notebooks: the predicted reach follows the parameters at once."""

import html
import math
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

    The axes are drawn once; a slider that moves only redraws the curve over them.

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
        self._draw_axes()
        for slider in self.sliders.values():
            slider.observe(self.update, names="value")
        self.update()

    @property
    def values(self) -> dict[str, int | float]:
        """Values that the sliders are at."""
        return {axis.name: axis.plain(self.sliders[axis.name].value) for axis in self._found.axes}

    def _of_others(self) -> dict[str, int | float]:
        """Return the values of all parameters but the first, along which the curve is drawn."""
        return {name: value for name, value in self.values.items() if name != self._found.parameters[0]}

    def _draw_axes(self) -> None:
        """Draw what stays as it is: axes, title and legend."""
        from matplotlib.figure import Figure

        from analytics.surrogates.picture import Curve, picture_title
        from propagation.pictures import COLOURS, FIGURE_SIZE, INK, LEGEND_SIZE, ChangingPicture

        figure = Figure(figsize=FIGURE_SIZE, dpi=DOTS_PER_INCH, layout="constrained")
        ax = figure.subplots()
        self._others = self._of_others()
        title = picture_title(self._found, {}, "Reach")  # the sliders say the values
        self._curve = Curve(self._found, self._found.axes[0], self._others, ax, title=title)
        (self._mark,) = ax.plot([], [], "o", markersize=10, color=COLOURS[1], zorder=4, clip_on=False)
        ax.set_ylim(0.0, 1.03 * max(self._found.highest, self._found.largest_reach))
        ax.legend(frameon=False, labelcolor=INK, fontsize=LEGEND_SIZE, loc="upper left")
        self._drawn = ChangingPicture(figure, [*self._curve.artists, self._mark])

    def update(self, change: Any = None) -> None:  # noqa: ARG002 (widgets pass what has changed)
        """Show the prediction at the sliders' values."""
        at, first = self.values, self._found.parameters[0]
        predicted = self._found.predict(**at)
        self.text.value = f"<b>{html.escape(str(predicted))}</b>"
        if self._others != (others := self._of_others()):
            self._curve.show(others)
            self._others = others
        self._mark.set_data([at[first]], [predicted.reach])
        self.picture.value = self._drawn.png()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)


def _slider(axis: "Axis", widgets: Any) -> Any:
    """Return a slider over the range of a parameter, at its middle, logarithmic where its scale is."""
    middle = axis.plain(float(axis.values(0.5)))
    common = {"value": middle, "description": axis.name, "style": {"description_width": "initial"}}
    if axis.scale == "log":
        low, high = math.log10(axis.low), math.log10(axis.high)
        digits = ".0f" if axis.whole else ".4g"
        return widgets.FloatLogSlider(min=low, max=high, step=(high - low) / STEPS, readout_format=digits, **common)
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
