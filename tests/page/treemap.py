"""Where each repository's rectangle lies: a squarified treemap (Bruls, Huizing, van Wijk, 2000), regions first."""

HEADER = 22
GAP = 2
# What has less room than this many square pixels goes into one rectangle with its like.
SMALLEST = 200
# How wide the letters of a label and of a region's heading are.
LETTER = 6.9
HEADING_LETTER = 8.2


def squarify(sizes, x, y, width, height):
    """Rectangles for sizes, the largest first, that fill the space."""
    rectangles, left = [], [size for size in sizes if size > 0]
    space = sum(left)
    while left:
        short = min(width, height)
        scale = width * height / space
        row = 1
        while row < len(left) and worst(left[: row + 1], short, scale) <= worst(left[:row], short, scale):
            row += 1
        total = sum(left[:row])
        thick = total * scale / short if short else 0
        at = 0.0
        for size in left[:row]:
            long = size / total * short
            rectangles.append((x, y + at, thick, long) if width >= height else (x + at, y, long, thick))
            at += long
        if width >= height:
            x, width = x + thick, width - thick
        else:
            y, height = y + thick, height - thick
        left, space = left[row:], space - total
    return rectangles


def worst(row, short, scale):
    """The worst ratio of sides in a row along the short side."""
    total = sum(row) * scale
    return max(max(short**2 * size * scale / total**2, total**2 / (short**2 * size * scale)) for size in (row[0], row[-1]))


def treemap(regions, width, height):
    """`regions`: (name, [(repository, bytes, use)]); empty ones take no place."""
    whole = sum(size for _, repositories in regions for _, size, _ in repositories)
    regions = [(sum(size for _, size, _ in repositories), name, repositories) for name, repositories in regions]
    regions = sorted((region for region in regions if region[0] > 0), key=lambda region: (-region[0], region[1]))
    groups = []
    for (size, name, repositories), (x, y, w, h) in zip(regions, squarify([region[0] for region in regions], 0, 0, width, height)):
        header = HEADER if h > 3 * HEADER and w > 60 else 0
        entries = gathered(repositories, whole * SMALLEST / (width * height))
        inside = squarify([size for _, size, _ in entries], 0, header, max(w - GAP, 1), max(h - header - GAP, 1))
        cells = [cell(entry, rectangle) for entry, rectangle in zip(entries, inside)]
        groups.append(place(x, y, w - GAP, h - GAP) | {"name": name, "bytes": size, "header": fitted(name, w - 2, HEADING_LETTER) if header else "", "with_size": len(name) * HEADING_LETTER + 76 <= w, "cells": cells})
    return {"width": width, "height": height, "groups": groups}


def gathered(repositories, smallest):
    large = [entry for entry in repositories if entry[1] >= smallest]
    small = [entry for entry in repositories if 0 < entry[1] < smallest]
    if len(small) == 1:
        large, small = large + small, []
    if small:
        large.append((f"{len(small)} more", sum(size for _, size, _ in small), "several"))
    return sorted(large, key=lambda entry: -entry[1])


def cell(entry, rectangle):
    name, size, use = entry
    x, y, width, height = rectangle
    label = fitted(name, width - 14) if height >= 20 else ""
    return place(x, y, width - 1, height - 1) | {"name": name, "bytes": size, "use": use, "label": label, "with_size": bool(label) and height >= 38 and width >= 64}


def place(x, y, width, height):
    return {"x": round(x, 1), "y": round(y, 1), "width": round(max(width, 0.5), 1), "height": round(max(height, 0.5), 1)}


def fitted(name, width, letter=LETTER):
    """The name, its last part, or that part's beginning and end: what there is room for; nothing below six letters."""
    letters = int(width / letter)
    last = name.rsplit("/", 1)[-1]
    if len(name) <= letters:
        return name
    if len(last) + 2 <= letters and last != name:
        return "…/" + last
    tail = letters // 2
    return last[: letters - 1 - tail] + "…" + last[-tail:] if letters >= 6 else ""
