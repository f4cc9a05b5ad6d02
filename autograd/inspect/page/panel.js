// What is told beside the graph about the chosen box, and the list of the whole tape.

function element(tag, attributes, ...children) {
    const e = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
        if (key.startsWith('on')) {
            e.addEventListener(key.slice(2), value);
        } else if (value !== null && value !== undefined && value !== false) {
            e.setAttribute(key, value);
        }
    }
    for (const c of children.flat()) {
        if (c !== null && c !== undefined) {
            e.append(c);
        }
    }
    return e;
}

function histogramOf(content) {
    if (content.histogram) {
        return content.histogram;
    }
    const x = content.numbers ? content.numbers.map(numberOf).filter(Number.isFinite) : [];
    if (x.length < 5) {
        return null;
    }
    const bins = new Array(Math.min(24, Math.max(5, Math.ceil(x.length / 3)))).fill(0), span = content.max - content.min;
    x.forEach(v => { bins[Math.min(bins.length - 1, span > 0 ? Math.floor((v - content.min) / span * bins.length) : 0)]++; });
    return bins;
}

function canvasOf(width, height, label, paint) {
    const ratio = Math.max(2, window.devicePixelRatio || 1);
    const canvas = element('canvas', { width: width * ratio, height: height * ratio, role: 'img', 'aria-label': label,
        style: `width:${width}px;height:${height}px` });
    const g = canvas.getContext('2d');
    g.scale(ratio, ratio);
    paint(g);
    return canvas;
}

function histogramPicture(counts, content, what) {
    const w = 264, h = 46, most = Math.max(...counts, 1);
    return element('figure', {}, canvasOf(w, h, `histogram of the ${what}`, g => {
        const zero = content.max > content.min ? -numberOf(content.min) / (content.max - content.min) * w : -1;
        counts.forEach((c, i) => {
            const middle = (i + 0.5) / counts.length * w, high = c === 0 ? 0 : Math.max(1.5, c / most * (h - 2));
            g.fillStyle = palette[`${what}-${middle < zero ? 'minus' : 'plus'}`];
            g.fillRect(i / counts.length * w + 0.5, h - high, w / counts.length - 1, high);
        });
        g.fillStyle = palette.muted;
        g.fillRect(0, h - 0.7, w, 0.7);
        if (zero > 0 && zero < w) {
            g.fillRect(zero, 0, 0.7, h);
        }
    }), element('figcaption', { class: 'ends' }, element('span', {}, show(content.min)), element('span', {}, show(content.max))));
}

// All numbers of a small tensor in a table, else a map; what they are like; a histogram.
function contentView(content, shape, what) {
    if (typeof content === 'string') {
        const words = { none: what === 'gradient' ? 'No gradient arrives here.' : 'None.', released: 'Released: its memory was let go. ag_retain_tape() keeps it.',
            changed: 'Changed in place since; what stood here is gone.', 'half-done': 'Half-done: a backward failed or was given up.' };
        return element('p', { class: 'note' }, words[content] || content);
    }
    const parts = [];
    if (content.nan || content.infinite) {
        parts.push(element('p', { class: 'bad' }, `${content.nan || 0} NaN, ${content.infinite || 0} infinite`));
    }
    const cells = cellsOf(content, shape);
    if (content.numbers && content.numbers.length === 1) {
        parts.push(element('p', { class: `number ${what}${numberOf(content.numbers[0]) < 0 ? ' minus' : ''}` }, show(content.numbers[0])));
        return element('div', {}, parts);
    }
    if (cells !== null && cells.columns <= 8 && content.numbers) {
        parts.push(element('table', { class: cells.columns > 4 ? 'numbers many' : 'numbers' }, Array.from({ length: cells.rows }, (_, r) => element('tr', {},
            Array.from({ length: cells.columns }, (__, c) => {
                const i = r * cells.columns + c, level = cells.levels[i], colour = heat(level, what);
                const strong = Math.abs(level) > 0.3 || Number.isNaN(level);
                return element('td', { style: `background:${colour};color:${strong ? palette.surface : palette.ink}`, title: show(content.numbers[i]) },
                    show(content.numbers[i], cells.columns > 4 ? 2 : 4));
            })))));
    } else if (cells !== null) {
        const w = 264, h = Math.max(14, Math.min(264, cells.rows / cells.columns * w));
        parts.push(canvasOf(w, h, `map of the ${what}`, g => paintCells(g, cells, what, 0, 0, w, h)));
    }
    const counts = histogramOf(content);
    if (counts !== null && content.min !== undefined) {
        parts.push(histogramPicture(counts, content, what));
    }
    parts.push(element('p', { class: 'facts' }, `norm ${show(content.norm)}`, content.min === undefined ? ''
        : `, ${show(content.min)} to ${show(content.max)}, mean ${show(content.mean)}`, content.zeros > 0 ? `, ${content.zeros} zeros` : ''));
    return element('div', {}, parts);
}

const tensorText = (name, t) => `${name}${t.type}, ${shapeText(t.shape)}, ${bytesText(t.bytes)}${t.view ? ', a view' : ''}`;

class Panel {
    // actions: select(id), open(id), edit(leaf, element, x)
    constructor(root, tape, player, live, actions) {
        Object.assign(this, { root, tape, player, live, actions });
    }

    show(id) {
        const boxes = id === null ? null : /^([nlg])(.*)$/.exec(id);
        this.root.replaceChildren();
        if (boxes === null || (boxes[1] === 'n' && !this.tape.place.has(Number(boxes[2])))) {
            this.summary();
        } else if (boxes[1] === 'n') {
            this.node(this.tape.place.get(Number(boxes[2])));
        } else if (boxes[1] === 'l') {
            this.leaf(parseInt(boxes[2], 10));
        } else {
            this.group(id);
        }
    }

    link(text, id) {
        return element('button', { class: 'link', type: 'button', onclick: () => this.actions.select(id) }, text);
    }

    summary() {
        const t = this.tape, bytes = t.nodes.reduce((s, n) => s + n.outputs.reduce((q, y) => q + (y.view ? 0 : y.bytes), 0), 0);
        this.root.append(element('h2', {}, 'The tape'),
            element('p', {}, `${t.nodes.length} operations, ${t.leaves.length} leaves and constants, ${bytesText(bytes)} of results.`),
            element('p', {}, 'Choose a box to see what it computes. Play goes forward through the operations as they ran, then backward: each node takes the ',
                element('span', { class: 'gradient' }, 'gradient'), ' that arrives, multiplies it by its local derivative, and adds the result to its inputs.'));
        if (t.visits.length === 0) {
            this.root.append(element('p', { class: 'note' }, 'There are no gradients on this tape: it was drawn without a loss, or after a backward that was not asked to keep them (ag_retain_tape).'));
        }
        const where = t.leaves.map((l, i) => i).filter(i => t.leaves[i].kind === 'leaf');
        if (where.length > 0) {
            this.root.append(element('h3', {}, 'Leaves'), element('ul', {}, where.slice(0, 40).map(i =>
                element('li', {}, this.link(t.leaves[i].name || `leaf ${i}`, `l${i}`), ` ${shapeText(t.leaves[i].shape)}`))));
        }
        this.root.append(element('p', { class: 'note' }, this.live.possible ? 'This page is live: change a number of a leaf, and both passes are computed anew.'
            : `This page is not live: ${this.live.why}.`));
    }

    heading(kind, title, lines) {
        this.root.append(element('p', { class: 'kind' }, kind), element('h2', {}, title),
            ...lines.filter(l => l !== '').map(l => element('p', { class: 'where' }, l)));
    }

    inputName(input) {
        return input.leaf !== undefined ? this.tape.leaves[input.leaf].name || input.name : input.name;
    }

    node(i) {
        const t = this.tape, node = t.nodes[i], p = this.player, given = Object.entries(node.numbers).map(([k, v]) => `${k} = ${show(v)}`).join(', ');
        this.heading(`operation #${node.node}`, node.operation + (node.in_place ? '_ (in place)' : ''), [node.layer === '' ? node.line : `${node.layer}   ${node.line}`]);
        this.root.append(element('dl', { class: 'rule' }, element('dt', {}, 'formula'), element('dd', {}, node.formula || 'none given', given === '' ? '' : `   with ${given}`),
            element('dt', {}, 'derivative'), element('dd', { class: 'gradient' }, node.derivative || 'not differentiable')));
        if (node.state === 'freed') {
            this.root.append(element('p', { class: 'note' }, 'Backward has freed this node. ag_retain_tape() keeps nodes for looking at.'));
            return;
        }
        node.outputs.forEach((y, k) => {
            const many = node.outputs.length > 1 ? ` ${k}` : '';
            this.root.append(element('h3', { class: 'value' }, `result${many}`), element('p', { class: 'facts' }, tensorText(y.name ? `${y.name}: ` : '', y)),
                p.computed(i) || p.position === 0 ? contentView(y.value, y.shape, 'value') : element('p', { class: 'note' }, 'Not computed yet.'));
            const g = k === 0 ? p.gradient('node', i) : y.gradient === 'none' || p.back === 0 ? null : { content: y.gradient, complete: true };
            this.root.append(element('h3', { class: 'gradient' }, `gradient${many}`), g !== null ? contentView(g.content, y.shape, 'gradient')
                : element('p', { class: 'note' }, typeof y.gradient === 'object' ? 'Not arrived yet: backward has not come here.' : y.gradient === 'none'
                    ? 'No gradient arrives here.' : y.gradient));
            if (g !== null && !g.complete) {
                this.root.append(element('p', { class: 'note' }, 'So far: more will be added up.'));
            }
        });
        this.root.append(element('h3', {}, 'inputs'), element('ul', {}, node.inputs.map((input, k) => {
            if (input === null) {
                return element('li', {}, 'not given');
            }
            const id = input.leaf !== undefined ? `l${input.leaf}` : `n${input.node}`, c = input.contribution;
            return element('li', {}, this.link(this.inputName(input), id), ` ${shapeText(input.shape)}${input.saved ? ', saved for backward' : ''}`,
                c === undefined ? null : element('div', { class: 'gradient' }, 'gives it ', c.numbers && c.numbers.length <= 4 ? c.numbers.map(x => show(x)).join('  ') : `a gradient of norm ${show(c.norm)}`),
                !input.wants ? element('div', { class: 'note' }, 'wants no gradient') : null);
        })));
        const uses = t.uses.node[i];
        if (uses.length > 0) {
            this.root.append(element('h3', {}, uses.length > 1 ? `used ${uses.length} times: gradients add up` : 'used by'),
                element('ul', {}, uses.slice(0, 30).map(u => element('li', {}, this.link(`#${t.nodes[u.node].node} ${t.nodes[u.node].operation}`, `n${t.nodes[u.node].node}`)))));
        }
        if (node.forward !== undefined) {
            this.root.append(element('p', { class: 'facts' }, `forward ${show(node.forward * 1e6)} µs, backward ${show(node.backward * 1e6)} µs`));
        }
    }

    leaf(l) {
        const leaf = this.tape.leaves[l];
        this.heading(leaf.kind === 'leaf' ? 'leaf: gets a gradient' : 'constant: gets no gradient', leaf.name || (leaf.kind === 'leaf' ? 'leaf' : 'constant'),
            [tensorText('', leaf), leaf.because ? `${leaf.because} at ${leaf.line}` : '', leaf.changed ? 'Changed in place since it was used: these are the new numbers.' : '']);
        this.root.append(element('h3', { class: 'value' }, 'value'));
        if (this.live.possible && this.live.editable(l) && leaf.type.startsWith('float')) {
            this.root.append(this.editor(l, leaf));
        } else {
            this.root.append(contentView(leaf.value, leaf.shape, 'value'));
        }
        this.rest = element('div', {});
        this.root.append(this.rest);
        this.leafRest(l);
    }

    // What changes while a number is being edited.
    leafRest(l) {
        const t = this.tape, leaf = t.leaves[l], g = this.player.gradient('leaf', l);
        this.rest.replaceChildren();
        this.rest.append(element('h3', { class: 'gradient' }, 'gradient'), g !== null ? contentView(g.content, leaf.shape, 'gradient')
            : element('p', { class: 'note' }, leaf.kind !== 'leaf' ? 'A constant gets none.' : typeof leaf.gradient === 'object' ? 'Not arrived yet: backward has not come here.'
                : leaf.gradient === 'none' ? 'No gradient arrives here.' : leaf.gradient));
        if (g !== null && !g.complete) {
            this.rest.append(element('p', { class: 'note' }, `So far, of ${g.parts} use${g.parts > 1 ? 's' : ''}: more will be added up.`));
        }
        const uses = t.uses.leaf[l];
        this.rest.append(element('h3', {}, uses.length > 1 ? `used ${uses.length} times: gradients add up` : 'used by'),
            element('ul', {}, uses.slice(0, 60).map(u => element('li', {}, this.link(`#${t.nodes[u.node].node} ${t.nodes[u.node].operation}`, `n${t.nodes[u.node].node}`)))));
    }

    editor(l, leaf) {
        const many = leaf.value.numbers.length;
        return element('div', { class: 'editor' }, leaf.value.numbers.map((x, i) => {
            const set = v => this.actions.edit(l, i, v);
            const field = element('input', { type: 'number', step: 'any', value: parseFloat(numberOf(x).toPrecision(many > 4 ? 4 : 8)), 'aria-label': `${leaf.name || 'leaf'}, element ${i}`, id: `edit-${l}-${i}` });
            field.addEventListener('input', () => { if (field.value !== '' && Number.isFinite(Number(field.value))) { set(Number(field.value)); } });
            if (many > 4) {
                return field;
            }
            const centre = numberOf(x), reach = Math.max(2, 2 * Math.abs(centre));
            const slide = element('input', { type: 'range', min: -reach, max: reach, step: reach / 500, value: centre, 'aria-label': `slide element ${i}` });
            slide.addEventListener('input', () => { field.value = slide.value; set(Number(slide.value)); });
            return element('div', { class: 'slide' }, field, slide);
        }));
    }

    group(id) {
        const box = this.actions.box(id), t = this.tape;
        if (box === null) {
            this.summary();
            return;
        }
        const bytes = box.nodes.reduce((s, i) => s + t.nodes[i].outputs.reduce((q, y) => q + (y.view ? 0 : y.bytes), 0), 0);
        const names = new Map();
        box.nodes.forEach(i => names.set(t.nodes[i].operation, (names.get(t.nodes[i].operation) || 0) + 1));
        this.heading('folded', box.label, [`${box.nodes.length} operations, ${bytesText(bytes)} of results`]);
        this.root.append(element('p', {}, element('button', { type: 'button', class: 'wide', onclick: () => this.actions.open(id) }, 'Unfold (Enter)')),
            element('p', { class: 'facts' }, Array.from(names).map(([n, c]) => (c > 1 ? `${c} × ${n}` : n)).join(', ')),
            element('ol', { class: 'plain' }, box.nodes.slice(0, 200).map(i => element('li', {}, this.link(`#${t.nodes[i].node} ${t.nodes[i].operation}`, `n${t.nodes[i].node}`), ` ${t.nodes[i].line}`))));
    }
}

// A table of the tape, for the list and for paper.
function tapeTable(tape, select, most) {
    const cell = (c, what) => (c === undefined ? '' : typeof c === 'string' ? (c === 'none' ? '' : c)
        : element('span', { class: what }, c.numbers && c.numbers.length <= 2 ? c.numbers.map(x => show(x)).join('  ') : `‖${show(c.norm)}‖`));
    const rows = tape.nodes.slice(0, most).map((n, i) => element('tr', { 'data-node': i, onclick: () => select(`n${n.node}`) }, element('td', {}, `#${n.node}`), element('td', {}, n.operation),
        element('td', {}, n.inputs.map(x => (x === null ? '–' : x.leaf !== undefined ? tape.leaves[x.leaf].name || x.name : `#${x.node}`)).join(' ')),
        element('td', {}, n.outputs.length > 0 ? shapeText(n.outputs[0].shape) : n.state), element('td', {}, cell(n.outputs.length > 0 ? n.outputs[0].value : undefined, 'value')),
        element('td', {}, cell(n.outputs.length > 0 ? n.outputs[0].gradient : undefined, 'gradient')), element('td', {}, n.layer), element('td', {}, n.line)));
    return element('table', { class: 'tape' }, element('thead', {}, element('tr', {}, ['', 'operation', 'inputs', 'result', 'value', 'gradient', 'layer', 'line']
        .map(h => element('th', {}, h)))), element('tbody', {}, rows));
}
