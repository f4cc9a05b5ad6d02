// Which boxes are shown: operations, leaves, and folded groups of operations, and what leads from one to the other.

const foldings = ['nothing', 'layers', 'lines', 'time steps'];

function foldKeys(tape, i, folding) {
    const node = tape.nodes[i];
    if (folding === 'layers') {
        return node.parts;
    }
    if (folding === 'lines') {
        return [node.line];
    }
    if (folding === 'time steps') {
        return tape.stepOf[i] === null ? [] : [`step ${tape.stepOf[i] + 1}`, ...node.parts];
    }
    return [];
}

// What a large tape is opened with.
function foldingFor(tape) {
    if (tape.nodes.length <= 80) {
        return 'nothing';
    }
    const strangeness = folding => Math.abs(Math.log(buildGraph(tape, folding, new Set()).operations / 30));
    return ['time steps', 'layers', 'lines'].sort((a, b) => strangeness(a) - strangeness(b))[0];
}

// Runs of neighbours on the tape with the same key: so that no group depends on what depends on it.
function runs(tape, list, folding, depth, open, into) {
    let at = 0;
    while (at < list.length) {
        const key = foldKeys(tape, list[at], folding)[depth];
        let end = at + 1;
        while (key !== undefined && end < list.length && foldKeys(tape, list[end], folding)[depth] === key) {
            end++;
        }
        const part = list.slice(at, end);
        if (part.length === 1) {
            into.push({ id: `n${tape.nodes[part[0]].node}`, kind: 'node', nodes: part, node: part[0] });
        } else {
            let deep = depth + 1, label = key;
            const shared = d => {
                const k = foldKeys(tape, part[0], folding)[d];
                return k !== undefined && part.every(i => foldKeys(tape, i, folding)[d] === k) ? k : undefined;
            };
            while (shared(deep) !== undefined) {
                label += `.${shared(deep++)}`;
            }
            const id = `g${folding[0]}${tape.nodes[part[0]].node}.${depth}`;
            if (open.has(id)) {
                runs(tape, part, folding, deep, open, into);
            } else {
                into.push({ id, kind: 'group', nodes: part, label });
            }
        }
        at = end;
    }
}

const boxSizes = { node: [136, 62], leaf: [112, 57], group: [152, 66] };

// {boxes, edges, boxOf: node -> box}. `all`: groups that are open.
function buildGraph(tape, folding, open) {
    const boxes = [];
    runs(tape, tape.nodes.map((_, i) => i), folding, 0, open, boxes);
    const boxOf = new Array(tape.nodes.length), edges = new Map();
    boxes.forEach((b, k) => b.nodes.forEach(i => { boxOf[i] = k; }));
    const operations = boxes.length;
    const link = (from, to, node, input) => {
        const key = `${from}>${to}`;
        if (!edges.has(key)) {
            edges.set(key, { from, to, links: [] });
        }
        edges.get(key).links.push({ node, input });
    };
    tape.nodes.forEach((node, i) => node.inputs.forEach((input, k) => {
        const from = input === null || input.node === undefined ? undefined : boxOf[tape.place.get(input.node)];
        if (from !== undefined && from !== boxOf[i]) {
            link(from, boxOf[i], i, k);
        }
    }));
    // A leaf that many use stands beside each of them: weights at every time step would draw lines across everything.
    tape.leaves.forEach((leaf, l) => {
        const users = new Map();
        tape.uses.leaf[l].forEach(u => users.set(boxOf[u.node], (users.get(boxOf[u.node]) || []).concat([u])));
        const far = users.size > 3 || (users.size > 1 && operations > 30);
        let shared = null;
        users.forEach((uses, to) => {
            if (far && boxes[to].kind === 'group') {
                return;
            }
            if (shared === null || far) {
                shared = boxes.length;
                boxes.push({ id: far ? `l${l}@${boxes[to].id}` : `l${l}`, kind: 'leaf', nodes: [], leaf: l, copy: far });
            }
            uses.forEach(u => link(shared, to, u.node, u.input));
        });
    });
    for (const b of boxes) {
        [b.w, b.h] = boxSizes[b.kind];
    }
    return { boxes, edges: Array.from(edges.values()), boxOf, operations };
}
