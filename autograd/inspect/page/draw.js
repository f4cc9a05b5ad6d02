// The graph on a canvas: boxes with their values and gradients, lines, what the player stands at.

const palette = {};

function readPalette() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['ground', 'surface', 'ink', 'muted', 'line', 'value-plus', 'value-minus', 'gradient-plus', 'gradient-minus', 'mark',
        'leaf', 'group', 'bad']) {
        palette[name] = style.getPropertyValue(`--${name}`).trim();
    }
    palette.dark = style.getPropertyValue('--dark').trim() === '1';
    mixed.clear();
}

const mixed = new Map();
function channels(hex) {
    return [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
}
// `share` of one colour in another.
function mix(a, b, share) {
    const key = `${a}${b}${Math.round(share * 63)}`;
    if (!mixed.has(key)) {
        const x = channels(a), y = channels(b);
        mixed.set(key, `rgb(${x.map((v, i) => Math.round(v + (y[i] - v) * share)).join(',')})`);
    }
    return mixed.get(key);
}

// The colour of a number between -1 and 1, of a value or a gradient.
function heat(x, what) {
    return Number.isNaN(x) ? palette.bad
        : mix(palette.surface, palette[`${what}-${x < 0 ? 'minus' : 'plus'}`], Math.min(1, 0.06 + 0.94 * Math.sqrt(Math.abs(x))));
}

function hueOf(node) {
    if (node.parts.length === 0) {
        return null;
    }
    let h = 0;
    for (const c of node.layer) {
        h = (h * 31 + c.charCodeAt(0)) >>> 0;
    }
    return (h * 137.508) % 360; // neighbouring numbers far apart
}

// {rows, columns, levels} of a content, from -1 to 1; null if there are no numbers.
function cellsOf(content, shape) {
    if (content.numbers) {
        const x = content.numbers.map(numberOf), most = Math.max(...x.filter(Number.isFinite).map(Math.abs), 0);
        const columns = shape.length === 0 ? 1 : Math.max(1, shape[shape.length - 1]);
        return { rows: x.length / columns, columns, levels: x.map(v => (Number.isFinite(v) ? (most > 0 ? v / most : 0) : NaN)) };
    }
    return content.map ? { rows: content.map.rows, columns: content.map.columns, levels: mapNumbers(content.map) } : null;
}

function paintCells(g, cells, what, x, y, w, h) {
    const cw = w / cells.columns, ch = h / cells.rows, gap = Math.min(cw, ch) > 5 ? 0.5 : 0;
    for (let r = 0; r < cells.rows; r++) {
        for (let c = 0; c < cells.columns; c++) {
            g.fillStyle = heat(cells.levels[r * cells.columns + c], what);
            g.fillRect(x + c * cw, y + r * ch, cw - gap + (gap === 0 ? 0.3 : 0), ch - gap + (gap === 0 ? 0.3 : 0));
        }
    }
}

class Picture {
    constructor(canvas, tape, player) {
        Object.assign(this, { canvas, tape, player, scale: 1, left: 0, top: 0, graph: null, size: { width: 1, height: 1 } });
        this.cells = new WeakMap();
    }

    setGraph(graph, aspect) {
        this.graph = graph;
        this.size = layoutGraph(graph, aspect);
        this.boxIndex = new Map(graph.boxes.map((b, i) => [b.id, i]));
    }

    // Canvas pixels of a point of the layout, and back.
    toScreen(x, y) { return [(x - this.left) * this.scale, (y - this.top) * this.scale]; }
    fromScreen(x, y) { return [x / this.scale + this.left, y / this.scale + this.top]; }

    fit() {
        const w = this.canvas.clientWidth, h = this.canvas.clientHeight, margin = 60;
        this.scale = Math.min(1.6, Math.max(0.02, Math.min(w / (this.size.width + margin), h / (this.size.height + margin))));
        this.left = this.size.width / 2 - w / this.scale / 2;
        this.top = this.size.height / 2 - h / this.scale / 2;
    }

    zoom(factor, x, y) {
        const [px, py] = this.fromScreen(x, y);
        this.scale = Math.min(4, Math.max(0.02, this.scale * factor));
        this.left = px - x / this.scale;
        this.top = py - y / this.scale;
    }

    // Moves so that the box is well inside, if it is not.
    reveal(box) {
        const w = this.canvas.clientWidth / this.scale, h = this.canvas.clientHeight / this.scale;
        const least = (from, at, half, size) => {
            const margin = Math.min(size * 0.1, 40) + half;
            return size < 3 * half ? at - size / 2 : Math.min(at - margin, Math.max(at + margin - size, from));
        };
        this.left = least(this.left, box.x, box.w / 2, w);
        this.top = least(this.top, box.y, box.h / 2, h);
    }

    boxAt(x, y) {
        const [px, py] = this.fromScreen(x, y), slack = 3 / this.scale;
        return this.graph.boxes.find(b => Math.abs(px - b.x) <= b.w / 2 + slack && Math.abs(py - b.y) <= b.h / 2 + slack) || null;
    }

    cellsOfContent(content, shape) {
        if (!this.cells.has(content)) {
            this.cells.set(content, cellsOf(content, shape));
        }
        return this.cells.get(content);
    }

    // `view`: {selected: box id, found: set of node numbers or null}
    draw(view) {
        const ratio = window.devicePixelRatio || 1, w = this.canvas.clientWidth, h = this.canvas.clientHeight;
        if (this.canvas.width !== Math.round(w * ratio) || this.canvas.height !== Math.round(h * ratio)) {
            this.canvas.width = Math.round(w * ratio);
            this.canvas.height = Math.round(h * ratio);
        }
        const g = this.canvas.getContext('2d');
        g.setTransform(ratio, 0, 0, ratio, 0, 0);
        this.paint(g, w, h, view);
    }

    paint(g, w, h, view) {
        g.fillStyle = palette.ground;
        g.fillRect(0, 0, w, h);
        g.save();
        g.scale(this.scale, this.scale);
        g.translate(-this.left, -this.top);
        const right = this.left + w / this.scale, bottom = this.top + h / this.scale;
        const currentBox = this.player.current < 0 ? -1 : this.graph.boxOf[this.player.current];
        for (const pass of [false, true]) {
            for (const e of this.graph.edges) {
                const marked = e.to === currentBox && e.links.some(l => l.node === this.player.current);
                if (marked === pass) {
                    this.edge(g, e, marked);
                }
            }
        }
        this.graph.boxes.forEach((b, i) => {
            if (b.x + b.w > this.left && b.x - b.w < right && b.y + b.h > this.top && b.y - b.h < bottom) {
                this.box(g, b, i === currentBox, view);
            }
        });
        g.restore();
    }

    edge(g, e, marked) {
        const t = this.tape, p = this.player, backward = p.phase === 'backward';
        const shown = e.links.some(l => p.computed(l.node)), far = e.points.length > 14;
        g.lineWidth = 1.2;
        g.strokeStyle = palette.line;
        g.setLineDash(shown ? [] : [3, 4]);
        g.globalAlpha = far && !marked ? 0.45 : 1;
        if (marked) {
            const flows = e.links.filter(l => l.node === p.current).map(l => t.nodes[l.node].inputs[l.input].contribution);
            const sent = backward && flows.some(c => c !== undefined && c !== null);
            g.strokeStyle = backward ? (sent ? palette['gradient-plus'] : palette.line) : palette['value-plus'];
            g.lineWidth = !backward ? 2.5 : sent ? 1.5 + Math.min(5, Math.max(0, 3 + Math.log10(Math.max(1e-9, numberOf(flows.find(c => c).norm))))) : 1.2;
            g.setLineDash([]);
        } else if (backward && e.links.some(l => p.visited(l.node) && t.nodes[l.node].inputs[l.input].contribution)) {
            g.strokeStyle = mix(palette.ground, palette['gradient-plus'], 0.45);
        } else if (shown && p.phase !== 'backward') {
            g.strokeStyle = mix(palette.ground, palette['value-plus'], 0.45);
        }
        this.trace(g, e.points, e);
        g.setLineDash([]);
        g.globalAlpha = 1;
    }

    // From the right side of a box to the left side of the next; where rows change, out to the margin and in from the other.
    trace(g, points) {
        g.beginPath();
        let [{ x, y, row, w }] = points;
        x += w / 2;
        g.moveTo(x, y);
        for (const q of points.slice(1)) {
            const to = q.x - q.w / 2;
            if (q.row === row) {
                const bend = (to - x) / 2;
                g.bezierCurveTo(x + bend, y, to - bend, q.y, to, q.y);
            } else {
                g.lineTo(this.size.width + 22, y);
                g.moveTo(-22, q.y);
                g.lineTo(to, q.y);
            }
            x = q.x + q.w / 2;
            y = q.y;
            row = q.row;
            if (q.w === 0) {
                g.lineTo(x, y);
            }
        }
        g.stroke();
        const end = points[points.length - 1];
        if (this.scale > 0.3) {
            const ex = end.x - end.w / 2;
            g.beginPath();
            g.moveTo(ex, end.y);
            g.lineTo(ex - 6, end.y - 3.2);
            g.lineTo(ex - 6, end.y + 3.2);
            g.fillStyle = g.strokeStyle;
            g.fill();
        }
    }

    box(g, b, current, view) {
        const p = this.player, t = this.tape, x = b.x - b.w / 2, y = b.y - b.h / 2, selected = view.selected === b.id ||
            (b.kind === 'leaf' && view.selected !== null && view.selected.split('@')[0] === `l${b.leaf}`);
        const done = b.kind === 'leaf' || b.nodes.some(i => p.computed(i)), all = b.kind === 'leaf' || b.nodes.every(i => p.computed(i));
        const visited = b.nodes.length > 0 && b.nodes.some(i => p.visited(i));
        const dim = view.found !== null && !(b.kind === 'leaf' ? view.found.has(`l${b.leaf}`) : b.nodes.some(i => view.found.has(i)));
        g.globalAlpha = dim ? 0.22 : 1;
        const shape = inset => {
            g.beginPath();
            g.roundRect(x - inset, y - inset, b.w + 2 * inset, b.h + 2 * inset, (b.kind === 'leaf' ? b.h / 2.4 : 8) + inset);
        };
        if (b.kind === 'group') {
            g.fillStyle = palette.surface;
            g.strokeStyle = palette.line;
            g.lineWidth = 1;
            for (const by of [6, 3]) {
                g.beginPath();
                g.roundRect(x + by, y - by, b.w - by, b.h, 8);
                g.fill();
                g.stroke();
            }
        }
        if (current || selected) {
            shape(current ? 5 : 3.5);
            g.fillStyle = current ? mix(palette.ground, palette[p.phase === 'backward' ? 'gradient-plus' : 'value-plus'], 0.35) : palette.mark;
            g.fill();
        }
        shape(0);
        g.fillStyle = b.kind === 'leaf' ? palette.leaf : b.kind === 'group' ? palette.group : palette.surface;
        g.fill();
        g.lineWidth = selected ? 2.2 : current ? 2 : 1.1;
        g.strokeStyle = selected ? palette.mark : visited || (b.kind === 'leaf' && p.back > 0 && p.gradient('leaf', b.leaf) !== null)
            ? palette['gradient-plus'] : all ? palette['value-plus'] : palette.muted;
        g.setLineDash(done ? [] : [4, 4]);
        g.stroke();
        g.setLineDash([]);
        if (b.kind !== 'leaf') {
            const hue = hueOf(t.nodes[b.nodes[0]]);
            if (hue !== null) {
                g.fillStyle = `hsl(${hue} 55% ${palette.dark ? 62 : 48}%)`;
                g.beginPath();
                g.roundRect(x + 3, y + 8, 4, b.h - 16, 2);
                g.fill();
            }
        }
        if (this.scale > 0.26) {
            g.globalAlpha *= done ? 1 : 0.6;
            this.inside(g, b, x, y);
        } else {
            this.overview(g, b, x, y);
        }
        g.globalAlpha = 1;
    }

    // Far away: one colour says how far the player has come.
    overview(g, b, x, y) {
        const p = this.player, some = b.kind === 'leaf' ? p.gradient('leaf', b.leaf) !== null : b.nodes.some(i => p.visited(i));
        if (b.kind === 'leaf' || b.nodes.some(i => p.computed(i))) {
            g.fillStyle = mix(palette.surface, palette[some ? 'gradient-plus' : 'value-plus'], b.kind === 'leaf' ? 0.35 : 0.65);
            g.fillRect(x, y, b.w, b.h);
        }
    }

    inside(g, b, x, y) {
        const t = this.tape, p = this.player, left = x + (b.kind === 'leaf' ? 14 : 13), width = b.w - (b.kind === 'leaf' ? 28 : 22);
        g.textBaseline = 'middle';
        g.textAlign = 'left';
        g.fillStyle = palette.ink;
        g.font = '600 12.5px system-ui, sans-serif';
        if (b.kind === 'group') {
            const done = b.nodes.filter(i => p.computed(i)).length, back = b.nodes.filter(i => p.visited(i)).length;
            const passed = b.nodes.filter(i => t.rank[i] !== Infinity).length;
            g.fillText(clip(g, b.label, width), left, y + 15);
            g.font = '11px system-ui, sans-serif';
            g.fillStyle = palette.muted;
            g.fillText(`${b.nodes.length} operations`, left, y + 31);
            const last = b.nodes[b.nodes.length - 1], gradient = p.gradient('node', last);
            if (gradient !== null) { // of what it hands on: so one sees it shrink from step to step
                g.textAlign = 'right';
                g.fillStyle = palette['gradient-plus'];
                g.fillText(`‖${show(gradient.content.norm, 2)}‖`, left + width, y + 31);
                g.textAlign = 'left';
            }
            this.bar(g, left, y + 43, width, done / b.nodes.length, palette['value-plus']);
            if (passed > 0) {
                this.bar(g, left, y + 53, width, back / passed, palette['gradient-plus']);
            }
            return;
        }
        const tensor = b.kind === 'leaf' ? t.leaves[b.leaf] : t.nodes[b.node].outputs[0];
        const name = b.kind === 'leaf' ? (tensor.name || (tensor.kind === 'leaf' ? 'leaf' : 'constant'))
            : t.nodes[b.node].operation + (t.nodes[b.node].in_place ? '_' : '');
        if (b.kind === 'node') {
            g.font = '10px system-ui, sans-serif';
            const number = `#${t.nodes[b.node].node}`, wide = g.measureText(number).width;
            g.textAlign = 'right';
            g.fillStyle = palette.muted;
            g.fillText(number, x + b.w - 9, y + 14);
            g.textAlign = 'left';
            g.font = '600 12.5px system-ui, sans-serif';
            g.fillStyle = palette.ink;
            g.fillText(clip(g, name, width - wide - 4), left, y + 14);
        } else {
            g.textAlign = 'center';
            g.fillText(clip(g, name, width), b.x, y + 13);
            g.textAlign = 'left';
        }
        if (tensor === undefined) {
            this.words(g, 'freed by backward', left, y + 34);
            return;
        }
        if (b.kind === 'leaf' || p.computed(b.node)) {
            this.content(g, tensor.value, tensor.shape, 'value', left, y + (b.kind === 'leaf' ? 24 : 26), width, b.kind === 'leaf');
        }
        const gradient = b.kind === 'leaf' ? p.gradient('leaf', b.leaf) : p.gradient('node', b.node);
        if (gradient !== null) {
            this.content(g, gradient.content, tensor.shape, 'gradient', left, y + (b.kind === 'leaf' ? 38 : 43), width, b.kind === 'leaf');
        }
    }

    bar(g, x, y, w, share, colour) {
        g.fillStyle = palette.line;
        g.fillRect(x, y, w, 4);
        g.fillStyle = colour;
        g.fillRect(x, y, w * share, 4);
    }

    words(g, text, x, y) {
        g.font = 'italic 10.5px system-ui, sans-serif';
        g.fillStyle = palette.muted;
        g.fillText(text, x, y);
    }

    content(g, content, shape, what, x, y, w, centred) {
        if (typeof content === 'string') {
            this.words(g, content, x, y + 6);
            return;
        }
        if (content.numbers && content.numbers.length <= 2) {
            g.font = '600 11.5px ui-monospace, monospace';
            g.fillStyle = content.nan || content.infinite ? palette.bad : palette[`${what}-${content.numbers.length === 1 && numberOf(content.numbers[0]) < 0 ? 'minus' : 'plus'}`];
            g.textAlign = centred ? 'center' : 'left';
            g.fillText(clip(g, content.numbers.map(x => show(x)).join('  '), w), centred ? x + w / 2 : x, y + 6);
            g.textAlign = 'left';
            return;
        }
        const cells = this.cellsOfContent(content, shape);
        if (cells !== null && cells.rows > 0) {
            const columns = cells.columns < 8 && cells.rows > 1 ? cells.columns * 1.6 * 13 / cells.rows : w;
            paintCells(g, cells, what, x, y, Math.min(w, Math.max(columns, w * 0.45)), 13);
            g.font = '9.5px ui-monospace, monospace';
            g.fillStyle = palette.muted;
            if (columns < w * 0.5) {
                g.fillText(clip(g, `‖${show(content.norm)}‖`, w * 0.5), x + w * 0.5, y + 7);
            }
        }
    }
}

function clip(g, text, width) {
    if (g.measureText(text).width <= width) {
        return text;
    }
    let n = text.length;
    while (n > 1 && g.measureText(`${text.slice(0, n)}…`).width > width) {
        n--;
    }
    return `${text.slice(0, n)}…`;
}
