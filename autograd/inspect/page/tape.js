// The tape as read: who uses what, which nodes belong to one layer, line or time step, and where the player stands.

function numberOf(x) {
    return typeof x === 'number' ? x : x === 'NaN' ? NaN : x === 'Infinity' ? Infinity : x === '-Infinity' ? -Infinity : Number(x);
}

// Few digits, for people.
function show(x, digits = 4) {
    if (x === undefined || x === null) {
        return '';
    }
    const v = numberOf(x);
    if (Number.isNaN(v)) {
        return 'NaN';
    }
    if (!Number.isFinite(v)) {
        return v > 0 ? '∞' : '−∞';
    }
    const a = Math.abs(v);
    const text = v === 0 ? '0' : Number.isInteger(v) && a < 1e6 ? String(v)
        : a >= 1e5 || a < 1e-3 ? v.toExponential(digits - 2).replace('e+', 'e') : String(parseFloat(v.toPrecision(digits)));
    return text.replace(/-/g, '−');
}

const shapeText = shape => (shape.length === 0 ? 'one number' : shape.join(' × '));

function bytesText(n) {
    return n < 1024 ? `${n} B` : n < 1024 * 1024 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1024 / 1024).toFixed(1)} MiB`;
}

// What numbers are like, as the engine would say it.
function contentFrom(numbers) {
    const finite = Array.from(numbers).filter(Number.isFinite);
    const content = { numbers: Array.from(numbers), norm: Math.hypot(...numbers), zeros: finite.filter(x => x === 0).length };
    const nan = numbers.length - finite.length;
    if (nan > 0) {
        content.nan = nan;
        content.norm = NaN;
    }
    if (finite.length > 0) {
        content.min = Math.min(...finite);
        content.max = Math.max(...finite);
        content.mean = finite.reduce((a, b) => a + b, 0) / finite.length;
    }
    return content;
}

// Letters of a map, as the engine writes them, into numbers from -1 to 1; NaN for what is not finite.
const mapLevels = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
function mapNumbers(map) {
    return Array.from(map.cells, c => (c === '!' ? NaN : mapLevels.indexOf(c) / 63 * 2 - 1));
}

function readTape(document) {
    const tape = document;
    const n = tape.nodes.length;
    tape.place = new Map(tape.nodes.map((node, i) => [node.node, i]));
    tape.uses = { node: tape.nodes.map(() => []), leaf: tape.leaves.map(() => []) };
    tape.nodes.forEach((node, i) => {
        node.inputs.forEach((input, k) => {
            if (input !== null && input.leaf !== undefined) {
                tape.uses.leaf[input.leaf].push({ node: i, input: k });
            } else if (input !== null && tape.place.has(input.node)) {
                tape.uses.node[tape.place.get(input.node)].push({ node: i, input: k });
            }
        });
        node.parts = node.layer === '' ? [] : node.layer.split('.');
    });
    tape.steps = timeSteps(tape.nodes);
    tape.stepOf = tape.steps.of;
    tape.visits = [];
    for (let i = n - 1; i >= 0; i--) {
        if (tape.nodes[i].outputs.some(y => typeof y.gradient === 'object')) {
            tape.visits.push(i);
        }
    }
    tape.rank = new Array(n).fill(Infinity);
    tape.visits.forEach((i, r) => { tape.rank[i] = r; });
    tape.length = n + tape.visits.length;
    return tape;
}

// A loop of the program shows on the tape as lines that come again. A new step begins where a line comes that this step has had as
// often as every step does.
function timeSteps(nodes) {
    const key = node => `${node.line}|${node.operation}|${node.layer}`;
    const count = new Map(), of = new Array(nodes.length).fill(null);
    nodes.forEach(node => count.set(key(node), (count.get(key(node)) || 0) + 1));
    // The length of the loop: what most of the repeated lines agree on.
    const repeats = new Map();
    for (const c of count.values()) {
        if (c >= 3) {
            repeats.set(c, (repeats.get(c) || 0) + c);
        }
    }
    const [length] = Array.from(repeats).sort((a, b) => b[1] - a[1]).map(r => r[0]);
    let step = -1, seen = new Map();
    nodes.forEach((node, i) => {
        const k = key(node);
        if (length === undefined || count.get(k) < length || count.get(k) % length !== 0) {
            return;
        }
        if (step < 0 || (seen.get(k) || 0) === count.get(k) / length) {
            step++;
            seen = new Map();
        }
        seen.set(k, (seen.get(k) || 0) + 1);
        of[i] = step;
    });
    return { of, count: step + 1 };
}

// ---- where the player stands -----------------------------------------------------------------------------------------------------

// Position 0: nothing is computed; up to n: forward; from there: backward, one visited node after the other.
class Player {
    constructor(tape) {
        this.tape = tape;
        this.position = 0;
    }
    get forward() { return Math.min(this.position, this.tape.nodes.length); }
    get back() { return Math.max(0, this.position - this.tape.nodes.length); }
    get current() {
        return this.position === 0 ? -1 : this.back > 0 ? this.tape.visits[this.back - 1] : this.position - 1;
    }
    get phase() { return this.position === 0 ? 'start' : this.back > 0 ? 'backward' : 'forward'; }
    computed(i) { return i < this.forward; }
    visited(i) { return this.tape.rank[i] < this.back; }

    // The gradient that has been added up at a node or leaf so far: {content, complete}, or null.
    gradient(kind, i) {
        const t = this.tape, uses = t.uses[kind][i];
        const tensor = kind === 'leaf' ? t.leaves[i] : t.nodes[i].outputs[0];
        const isLoss = kind === 'node' && t.loss !== null && t.nodes[i].node === t.loss.node;
        if (this.back === 0 || tensor === undefined || typeof tensor.gradient !== 'object') {
            return null;
        }
        const given = uses.filter(u => t.nodes[u.node].inputs[u.input].wants && t.rank[u.node] !== Infinity);
        const arrived = given.filter(u => this.visited(u.node));
        if (arrived.length === given.length && (given.length > 0 || isLoss || kind === 'node')) {
            return { content: tensor.gradient, complete: true, parts: given.length };
        }
        if (arrived.length === 0) {
            return null;
        }
        const parts = arrived.map(u => t.nodes[u.node].inputs[u.input].contribution);
        if (parts.some(p => p === undefined || !p.numbers)) {
            return null;
        }
        const sum = parts[0].numbers.map((_, e) => parts.reduce((s, p) => s + numberOf(p.numbers[e]), 0));
        return { content: contentFrom(sum), complete: false, parts: arrived.length };
    }
}
