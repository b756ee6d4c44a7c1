"""Draws pictures of flowers, each determined by a label, a number and a seed.

A picture depends only on these three and on the version of Pillow that draws it. `samples` writes the folders.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from label_image.errors import UserError

CANVAS_PX = (640, 480)  # twice the size of a picture: shrinking smooths the edges
HAZE_PX = (160, 120)  # the background is out of focus anyway
UP = -math.pi / 2  # y grows downwards
GOLDEN = math.pi * (3 - math.sqrt(5))  # the angle from one seed of a sunflower to the next

Colour = tuple[int, int, int]
Point = tuple[float, float]
Profile = tuple[float, ...]  # widths at even steps from foot to tip, as fractions of the largest width

STRAP: Profile = (0.45, 0.75, 0.9, 1.0, 1.0, 0.9, 0.55)
POINTED: Profile = (0.5, 0.85, 1.0, 0.95, 0.7, 0.35, 0.0)
BROAD: Profile = (0.2, 0.5, 0.8, 0.97, 1.0, 0.85, 0.5, 0.1)
LANCE: Profile = (0.4, 0.8, 0.97, 1.0, 0.85, 0.5, 0.0)
HEART: Profile = (0.1, 0.9, 1.0, 0.85, 0.6, 0.3, 0.0)
SERRATE: Profile = (0.1, 0.7, 0.6, 0.95, 0.8, 1.0, 0.8, 0.9, 0.6, 0.6, 0.3, 0.0)
JAGGED: Profile = (0.15, 0.15, 0.5, 0.2, 0.7, 0.25, 0.9, 0.3, 1.0, 0.45, 0.9, 0.5, 0.0)

WHITE, YELLOW, GOLD, ORANGE = (246, 246, 240), (250, 215, 30), (244, 176, 16), (240, 120, 30)
RED, PINK, PURPLE, CREAM = (196, 20, 36), (236, 120, 160), (130, 50, 140), (246, 226, 190)
GREENS = ((60, 120, 44), (84, 140, 50), (44, 98, 52), (110, 150, 70))
GROUNDS: tuple[tuple[Colour, ...], ...] = (  # colours of the background of a flower
    GREENS,
    ((30, 52, 26), (20, 34, 22), (54, 80, 36), (12, 20, 14)),  # deep shade
    ((120, 170, 226), (170, 204, 238), (220, 232, 244), (96, 144, 96)),  # sky and a far wood
    ((112, 84, 60), (86, 64, 48), (140, 116, 84), (70, 92, 44)),  # soil
    ((190, 180, 166), (150, 142, 134), (214, 206, 196), (120, 112, 110)),  # a wall, a table
)


@dataclass(frozen=True)
class Pen:
    """The tools with which one picture is drawn: the canvas, the random numbers and the direction of the light."""

    draw: ImageDraw.ImageDraw
    rng: random.Random
    light: float  # radians, the direction that the light comes from

    def about(self, value: float, share: float = 0.15) -> float:
        """Returns a random number that differs from `value` by at most `share` of it."""
        return value * self.rng.uniform(1 - share, 1 + share)


@dataclass(frozen=True)
class Chart:
    """Maps positions on a round object, seen at an angle, to pixels: the centre is (0, 0) and the rim is at distance 1."""

    x: float  # pixels, the centre
    y: float
    radius: float  # pixels
    tilt: float = 1.0  # from 0 to 1: 1 is seen from above, 0 from the side
    lean: float = UP  # radians, the direction in which it is foreshortened

    @cached_property
    def _squash(self) -> tuple[float, float, float]:
        cos, sin, lost = math.cos(self.lean), math.sin(self.lean), self.tilt - 1
        return (
            self.radius * (1 + lost * cos * cos),
            self.radius * lost * cos * sin,
            self.radius * (1 + lost * sin * sin),
        )

    def at(self, x: float, y: float) -> Point:
        """Returns the pixel of a position."""
        across, both, down = self._squash
        return self.x + across * x + both * y, self.y + both * x + down * y

    def ring(self, angle: float, distance: float) -> Point:
        """Returns the pixel at `distance` from the centre in the direction `angle`, in radians."""
        return self.at(distance * math.cos(angle), distance * math.sin(angle))


@dataclass(frozen=True)
class Petal:
    """A petal or a leaf, in the units of its chart."""

    angle: float  # radians, the direction from foot to tip
    length: float
    width: float
    profile: Profile
    foot: Point = (0.0, 0.0)

    def outline(self, chart: Chart, share: float = 1.0) -> list[Point]:
        """Returns the corners on the canvas, from foot to tip and back; a `share` below 1 makes the petal narrower."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        step, half = self.length / (len(self.profile) - 1), self.width * share / 2
        edge = [(i * step, width * half) for i, width in enumerate(self.profile)]
        edge += [(along, -across) for along, across in reversed(edge)]
        x, y = self.foot
        return [chart.at(x + along * cos - across * sin, y + along * sin + across * cos) for along, across in edge]


def shade(colour: Colour, factor: float) -> Colour:
    """Makes a colour darker (a factor below 1) or lighter (above 1)."""
    red, green, blue = colour
    return min(255, round(red * factor)), min(255, round(green * factor)), min(255, round(blue * factor))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Mixes two colours: a `share` of 0 returns `one`, a `share` of 1 returns `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def paint(pen: Pen, chart: Chart, petal: Petal, colour: Colour, rim: float = 0.82) -> None:
    """Draws a petal: the edge in a darker tone (factor `rim`), the middle lit from the direction of the light."""
    lit = shade(colour, pen.about(1 + 0.16 * math.cos(petal.angle - pen.light), 0.07))
    pen.draw.polygon(petal.outline(chart), fill=shade(lit, rim))
    pen.draw.polygon(petal.outline(chart, 0.62), fill=lit)


def vein(pen: Pen, outline: list[Point], colour: Colour, width: int = 1) -> None:
    """Draws the line from the foot of an outline to its tip; `width` is in pixels."""
    pen.draw.line((outline[0], outline[len(outline) // 2]), fill=colour, width=width)


def disc(pen: Pen, chart: Chart, radius: float, colour: Colour, grains: int) -> None:
    """Draws the centre of a flower: a disc with seeds in a spiral, lighter towards the light."""
    pen.draw.polygon([chart.ring(i * math.tau / 32, radius) for i in range(32)], fill=shade(colour, 0.75))
    size = max(0.8, chart.radius * radius * 0.9 / math.sqrt(grains))
    for i in range(grains):
        angle, distance = i * GOLDEN, radius * 0.96 * math.sqrt((i + 0.5) / grains)
        x, y = chart.ring(angle, distance)
        glow = 1 + 0.3 * distance / radius * math.cos(angle - pen.light)
        pen.draw.ellipse((x - size, y - size, x + size, y + size), fill=shade(colour, pen.about(glow)))


def daisy(pen: Pen, chart: Chart, colour: Colour) -> None:
    """Draws a daisy: two rows of narrow pale petals around a yellow centre."""
    petals, turn = pen.rng.randint(17, 28), pen.rng.uniform(0, math.tau)
    for row, tone in ((0.5, 0.86), (0.0, 1.0)):
        for i in range(petals):
            angle = turn + (i + row + pen.rng.uniform(-0.2, 0.2)) * math.tau / petals
            paint(pen, chart, Petal(angle, pen.about(0.97, 0.08), 5.2 / petals, STRAP), shade(colour, tone))
    disc(pen, chart, pen.about(0.27), pen.rng.choice((YELLOW, YELLOW, GOLD)), 60)


def dandelion(pen: Pen, chart: Chart, colour: Colour) -> None:
    """Draws a dandelion: many yellow petals, shorter and darker towards the centre; one in five has gone to seed."""
    if pen.rng.random() < 0.2:
        clock(pen, chart)
        return
    for age in (1.0, 0.87, 0.75, 0.62, 0.5, 0.37, 0.25):
        straps, tone = round(16 + 24 * age), mix(ORANGE, colour, 0.6 + 0.4 * age)
        for i in range(straps):
            angle = (i + pen.rng.random()) * math.tau / straps
            lit = shade(tone, pen.about(0.9 + 0.12 * math.cos(angle - pen.light)))
            pen.draw.polygon(Petal(angle, pen.about(age, 0.12), 0.1, STRAP).outline(chart), fill=lit)


def clock(pen: Pen, chart: Chart) -> None:
    """Draws a dandelion gone to seed: a ball of lines around a dark centre, each with a tuft."""
    for _ in range(150):
        angle, reach = pen.rng.uniform(0, math.tau), 0.92 * math.sqrt(pen.rng.random())
        tone = shade((214, 216, 212), pen.about(0.8 + 0.2 * reach))
        hub = chart.ring(angle, reach)
        pen.draw.line((chart.at(0, 0), hub), fill=shade(tone, 0.8))
        for fan in (-0.5, -0.25, 0, 0.25, 0.5):
            pen.draw.line((hub, replace(chart, x=hub[0], y=hub[1]).ring(angle + fan, 0.13)), fill=tone)
    disc(pen, chart, 0.12, (120, 92, 60), 20)


def rose(pen: Pen, chart: Chart, colour: Colour) -> None:
    """Draws a rose: broad petals, each turned by the golden angle and a little shorter than the last, around a spiral."""
    petals, turn = pen.rng.randint(13, 19), pen.rng.uniform(0, math.tau)
    for i in range(petals):
        age = 1 - i / petals
        reach = pen.about(0.2 + 0.8 * age, 0.06)
        petal = Petal(turn + i * GOLDEN, reach, reach * pen.about(1.45, 0.12), BROAD)
        tone = shade(colour, 0.72 + 0.4 * age)
        pen.draw.polygon(replace(petal, length=reach * 1.05).outline(chart), fill=shade(tone, 0.62))
        paint(pen, chart, petal, mix(tone, WHITE, 0.1), rim=0.93)
        paint(pen, chart, replace(petal, length=reach * 0.86, width=reach * 1.1), tone, rim=0.9)
    furl = [chart.ring(turn + i * 0.5, 0.012 * i) for i in range(14)]
    pen.draw.line(furl, fill=shade(colour, 0.5), width=max(1, round(chart.radius / 30)), joint="curve")


def sunflower(pen: Pen, chart: Chart, colour: Colour) -> None:
    """Draws a sunflower: two rows of pointed golden petals around a broad dark centre of seeds."""
    petals, face = pen.rng.randint(18, 28), pen.about(0.47, 0.18)
    for row, tone in ((0.5, 0.8), (0.0, 1.0)):
        for i in range(petals):
            angle = (i + row + pen.rng.uniform(-0.25, 0.25)) * math.tau / petals
            foot = face * 0.85 * math.cos(angle), face * 0.85 * math.sin(angle)
            petal = Petal(angle, pen.about(1.02 - face * 0.85, 0.12), 6.2 / petals, POINTED, foot)
            paint(pen, chart, petal, shade(colour, tone))
    disc(pen, chart, face, (88, 56, 28), 110)
    disc(pen, chart, face * pen.about(0.55, 0.3), pen.rng.choice(((54, 34, 20), (130, 110, 40))), 45)


def tulip(pen: Pen, chart: Chart, colour: Colour) -> None:
    """Draws a tulip: a cup seen from the side, with petals behind, at the sides and in front."""
    lean, spread = UP + pen.rng.uniform(-0.25, 0.25), pen.about(0.2, 0.6)
    foot = -0.85 * math.cos(lean), -0.85 * math.sin(lean)
    tip = mix(colour, pen.rng.choice((YELLOW, WHITE, colour, colour)), 0.5)
    for side, length, tone in ((-0.5, 1.75, 0.66), (0.5, 1.75, 0.7), (-1, 1.8, 0.86), (1, 1.8, 0.9), (0, 1.65, 1.0)):
        petal = Petal(lean + side * spread, pen.about(length, 0.05), 1.0, LANCE, foot)
        paint(pen, chart, petal, shade(tip, tone), rim=0.8)
        paint(pen, chart, replace(petal, width=0.7, length=petal.length * 0.9), shade(colour, tone), rim=0.95)
        vein(pen, petal.outline(chart), shade(colour, tone * 0.82))


@dataclass(frozen=True)
class FlowerKind:
    """One kind of flower and the appearance of its plants. Sizes are in radii of the flower head."""

    head: Callable[[Pen, Chart, Colour], None]
    colours: tuple[Colour, ...]  # of the petals; a colour listed twice is twice as frequent
    tilt: tuple[float, float]  # least and largest tilt of the head
    stem: float  # width
    leaf: Profile
    leaf_size: tuple[float, float]  # length and width


KINDS = {
    "daisy": FlowerKind(daisy, (WHITE, WHITE, WHITE, (244, 214, 226)), (0.45, 1.0), 0.07, LANCE, (0.8, 0.2)),
    "dandelion": FlowerKind(dandelion, (YELLOW, YELLOW, GOLD), (0.5, 1.0), 0.09, JAGGED, (1.8, 0.6)),
    "roses": FlowerKind(rose, (RED, RED, PINK, CREAM, YELLOW, ORANGE), (0.7, 1.0), 0.12, SERRATE, (1.0, 0.6)),
    "sunflowers": FlowerKind(sunflower, (YELLOW, GOLD, GOLD), (0.55, 1.0), 0.13, HEART, (1.2, 0.9)),
    "tulips": FlowerKind(tulip, (RED, PINK, YELLOW, PURPLE, ORANGE, CREAM), (1.0, 1.0), 0.12, LANCE, (2.6, 0.5)),
}
LABELS = tuple(KINDS)


def plant(pen: Pen, kind: FlowerKind, chart: Chart, bottom: float) -> None:
    """Draws a stem from the flower down to `bottom` (a pixel row), its leaves, and the flower on top of it."""
    green = pen.rng.choice(GREENS)
    sway = pen.rng.uniform(-1.2, 1.2) * chart.radius
    root = max(bottom, chart.y + 2 * chart.radius)
    spots = [(chart.x + sway * t * t, chart.y + (root - chart.y) * t) for t in (i / 12 for i in range(13))]
    width = max(1, round(kind.stem * chart.radius))
    pen.draw.line(spots, fill=shade(green, 0.75), width=width, joint="curve")
    pen.draw.line([(x - width / 5, y) for x, y in spots], fill=green, width=max(1, width // 2), joint="curve")
    for i in range(pen.rng.randint(1, 4)):
        x, y = spots[pen.rng.randint(5, 11)]
        angle = UP + (-1) ** i * pen.rng.uniform(0.25, 1.2)
        length, breadth = (pen.about(size * chart.radius, 0.25) for size in kind.leaf_size)
        page, leaf = Chart(x, y, 1.0), Petal(angle, length, breadth, kind.leaf)
        paint(pen, page, leaf, shade(green, pen.about(0.95)))
        vein(pen, leaf.outline(page), shade(green, 1.25), max(1, width // 6))
    kind.head(pen, chart, shade(pen.rng.choice(kind.colours), pen.about(0.97, 0.06)))


def flowerbed(pen: Pen, kind: FlowerKind, size_px: tuple[int, int], heads: int) -> None:
    """Draws `heads` plants side by side, the small ones, which are farther away, first."""
    width, height = size_px
    charts = []
    for i in range(heads):
        radius = height * pen.rng.uniform(0.12, 0.42) / heads**0.55
        x = width * (0.5 + (i + 0.5 + pen.rng.uniform(-0.35, 0.35) - heads / 2) / (heads + 0.6))
        y = height * pen.rng.uniform(0.28, 0.62)
        charts.append(Chart(x, y, radius, pen.rng.uniform(*kind.tilt), UP + pen.rng.uniform(-0.6, 0.6)))
    for chart in sorted(charts, key=lambda chart: chart.radius):
        plant(pen, kind, chart, height + 10)


def grass(pen: Pen, size_px: tuple[int, int], blades: int) -> None:
    """Draws blades of grass that rise from the lower edge."""
    width, height = size_px
    for _ in range(blades):
        page = Chart(pen.rng.uniform(0, width), height + 5, height)
        blade = Petal(UP + pen.rng.uniform(-0.5, 0.5), pen.rng.uniform(0.15, 0.6), pen.rng.uniform(0.01, 0.03), LANCE)
        paint(pen, page, blade, shade(pen.rng.choice(GREENS), pen.rng.uniform(0.5, 1.2)))


def background(rng: random.Random, light: float, label: str) -> Image.Image:
    """Draws a blurred background: spots of the colours of one ground, sometimes with flowers. RGB, CANVAS_PX."""
    ground = rng.choice(GROUNDS)
    image = Image.new("RGB", HAZE_PX, rng.choice(ground))
    pen = Pen(ImageDraw.Draw(image), rng, light)
    for _ in range(rng.randint(8, 50)):
        x, y, size = rng.uniform(0, HAZE_PX[0]), rng.uniform(0, HAZE_PX[1]), rng.uniform(4, 26)
        pen.draw.ellipse((x - size, y - size, x + size, y + size), fill=shade(rng.choice(ground), pen.about(1.0)))
    if rng.random() < 0.35:
        # Mostly the same kind, sometimes another one, so that a classifier makes some errors.
        guest = label if rng.random() < 0.7 else rng.choice(LABELS)
        flowerbed(pen, KINDS[guest], HAZE_PX, rng.randint(3, 6))
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 4))).resize(CANVAS_PX, Image.Resampling.BICUBIC)


def photograph(rng: random.Random, image: Image.Image) -> Image.Image:
    """Imitates a camera: adds shadow, blur, tint and grain to a clean picture."""
    if rng.random() < 0.6:
        image = image.filter(ImageFilter.GaussianBlur(rng.choice((0.6, 1.0, 1.6, 2.4, 3.5))))
    shadow = Image.frombytes("L", (3, 2), bytes(rng.randint(90, 255) for _ in range(6)))
    image = ImageChops.multiply(image, shadow.resize(image.size, Image.Resampling.BICUBIC).convert("RGB"))
    exposure, warmth, gamma = rng.uniform(0.85, 1.45), rng.uniform(0.88, 1.12), rng.uniform(0.8, 1.25)
    tables = [
        [min(255, round(255 * (level / 255) ** gamma * exposure * tint)) for level in range(256)]
        for tint in (warmth, 1.0, 1 / warmth)
    ]
    image = image.point([level for table in tables for level in table])
    grain = rng.choice((6, 12, 24, 40))
    noise = Image.frombytes("L", image.size, rng.randbytes(image.width * image.height))
    noise = noise.point([level * grain // 256 for level in range(256)])
    return ImageChops.add(image, noise.convert("RGB"), offset=-grain // 2)


def draw(label: str, number: int, seed: int = 0) -> Image.Image:
    """Draws one picture: RGB, 320 wide, 240 high; the same bytes whenever label, number and seed are the same.

    `label` is one of LABELS (UserError if not); `number` and `seed` are any integers.

    >>> draw("daisy", 7).size, draw("daisy", 7) == draw("daisy", 7)
    ((320, 240), True)
    """
    if label not in KINDS:
        raise UserError(f"cannot draw {label!r}: there is no such kind; choose from {', '.join(LABELS)}")
    rng = random.Random(f"{seed}/{label}/{number}")  # noqa: S311 - pictures, not secrets
    light = rng.uniform(-math.pi, 0)
    image = background(rng, light, label)
    pen = Pen(ImageDraw.Draw(image), rng, light)
    grass(pen, CANVAS_PX, rng.choice((0, 0, 12, 40)))
    flowerbed(pen, KINDS[label], CANVAS_PX, rng.choice((1, 1, 1, 1, 1, 2, 2, 3, 5)))
    grass(pen, CANVAS_PX, rng.choice((0, 0, 3, 8)))
    return photograph(rng, image.reduce(2))
