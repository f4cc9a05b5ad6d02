"""The chart of compare.py: for each workload how many times PyTorch's step takes ours, and both memories, as SVG."""
import html
import math

OURS, THEIRS, GRID, TEXT = "#1b6ca8", "#d1762b", "#d8d8d8", "#222222"
ROW, LEFT, WIDTH, GAP, TOP = 26, 100, 330, 110, 66


def ticks(low, high):
    return [m * 10**e for e in range(-2, 7) for m in (1, 2, 5) if low <= m * 10**e <= high]


def plain(x):
    return "%.3g" % x if x < 100 else "%.0f" % x


class Panel:
    """Bars on a logarithmic axis from `low` to `high`."""

    def __init__(self, left, title, low, high, rows):
        self.left, self.low, self.high, self.bottom = left, low, high, TOP + ROW * rows
        self.out = [text(left, TOP - 28, title, size=13, weight="bold")]
        for t in ticks(low, high):
            x = self.x(t)
            self.out.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s"/>' % (x, TOP - 4, x, self.bottom, GRID))
            self.out.append(text(x, TOP - 9, plain(t), size=10, anchor="middle"))

    def x(self, value):
        part = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.left + WIDTH * min(part, 1)

    def bar(self, row, shift, height, value, colour, label):
        y = TOP + ROW * row + shift
        self.out.append('<rect x="%d" y="%.1f" width="%.1f" height="%d" fill="%s"/>' % (self.left, y, max(self.x(value) - self.left, 1), height, colour))
        self.out.append(text(self.x(value) + 4, y + height - (height - 8) / 2, label, size=10))

    def mark(self, value, colour):
        x = self.x(value)
        self.out.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s" stroke-width="1.5" stroke-dasharray="4 3"/>' % (x, TOP - 4, x, self.bottom, colour))


def text(x, y, words, size=11, anchor="start", weight="normal"):
    return '<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" font-weight="%s" fill="%s">%s</text>' % (x, y, size, anchor, weight, TEXT, html.escape(words))


def chart(table, mean, about):
    n, right = len(table), LEFT + WIDTH + GAP
    width, height = right + WIDTH + 60, TOP + ROW * n + 74
    low = min([0.5] + [r["ratio"] * 0.8 for r in table])
    speed = Panel(LEFT, "PyTorch's time / Wengert's", low, max([5] + [r["ratio"] * 1.1 for r in table]), n)
    sizes = [max(r[k], 0.05) for r in table for k in ("ours_mib", "theirs_mib")]
    memory = Panel(right, "peak memory above start, MiB", min(sizes) / 2, max(sizes) * 1.2, n)
    names = []
    for i, r in enumerate(table):
        names.append(text(LEFT - 8, TOP + ROW * i + 15, r["workload"], anchor="end"))
        speed.bar(i, 5, 14, r["ratio"], OURS, "%.2f" % r["ratio"])
        memory.bar(i, 2, 10, r["ours_mib"], OURS, "%.1f" % r["ours_mib"])
        memory.bar(i, 13, 10, r["theirs_mib"], THEIRS, "%.1f" % r["theirs_mib"])
    speed.mark(1, THEIRS)
    y = TOP + ROW * n + 22
    foot = [text(LEFT, y, "; ".join("%s: %.2f" % (k, v) for k, v in mean.items())), text(LEFT, y + 34, about, size=9)]
    for k, (colour, who) in enumerate(((OURS, "Wengert"), (THEIRS, "PyTorch"))):
        foot.append('<rect x="%d" y="%d" width="10" height="10" fill="%s"/>' % (right + 90 * k, y - 9, colour))
        foot.append(text(right + 90 * k + 15, y, who))
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif">\n<rect width="100%%" height="100%%" fill="white"/>\n%s\n</svg>\n'
            % (width, height, "\n".join(names + speed.out + memory.out + foot)))


def small_panel(left, top, size, sweep):
    """Time over one size, both axes logarithmic, with the line of proportion through the last point."""
    points = [(p["value"], p["ms"]) for p in sweep["points"]]
    lowx, highx = points[0][0], points[-1][0]
    lowy, highy = min(p[1] for p in points) / 1.5, max(p[1] for p in points) * 1.5
    x = lambda v: left + size * math.log(v / lowx) / math.log(highx / lowx)
    y = lambda v: top + size * (1 - math.log(v / lowy) / math.log(highy / lowy))
    out = [text(left, top - 10, "%s: ms over %s" % (sweep["workload"], sweep["size"]), size=12, weight="bold")]
    for v, _ in points:
        out.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s"/>' % (x(v), top, x(v), top + size, GRID))
        out.append(text(x(v), top + size + 13, str(v), size=9, anchor="middle"))
    for t in ticks(lowy, highy):
        out.append('<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="%s"/>' % (left, y(t), left + size, y(t), GRID))
        out.append(text(left - 4, y(t) + 3, plain(t), size=9, anchor="end"))
    lastx, lasty = points[-1]
    from_x = max(lowx, lastx * lowy / lasty)
    out.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-dasharray="4 3"/>' % (x(from_x), y(lasty * from_x / lastx), x(lastx), y(lasty), THEIRS))
    out.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' % (OURS, " ".join("%.1f,%.1f" % (x(v), y(ms)) for v, ms in points)))
    out += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (x(v), y(ms), OURS) for v, ms in points]
    return "\n".join(out)


def curves(sweeps):
    columns, size, apart = 4, 200, 270
    rows = (len(sweeps) + columns - 1) // columns
    panels = [small_panel(60 + apart * (i % columns), 40 + apart * (i // columns), size, s) for i, s in enumerate(sweeps)]
    foot = text(60, 40 + apart * rows, "dashed: in proportion to the size; below it to the left, a step's fixed cost shows", size=10)
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif">\n<rect width="100%%" height="100%%" fill="white"/>\n%s\n%s\n</svg>\n'
            % (60 + apart * min(columns, len(sweeps)), 60 + apart * rows, "\n".join(panels), foot))
