// Where the boxes are: in columns from left to right, so that every line leads to the right; long tapes are wrapped like text.

const columnGap = 52, boxGap = 14, rowGap = 56, mostBends = 8000;

// The column of each box: as far right as those that use it allow.
function columnsOf(graph) {
    const n = graph.boxes.length, before = Array.from({ length: n }, () => []), after = Array.from({ length: n }, () => []);
    for (const e of graph.edges) {
        before[e.to].push(e.from);
        after[e.from].push(e.to);
    }
    const column = new Array(n).fill(1);
    for (let b = 0; b < graph.operations; b++) { // tape order is topological order
        for (const p of before[b]) {
            if (p < graph.operations) {
                column[b] = Math.max(column[b], column[p] + 1);
            }
        }
    }
    const pull = b => {
        if (after[b].length > 0) {
            column[b] = Math.min(...after[b].map(a => column[a])) - 1;
        }
    };
    for (let b = graph.operations - 1; b >= 0; b--) {
        pull(b);
    }
    for (let b = graph.operations; b < n; b++) {
        pull(b);
    }
    const first = Math.min(...column, Infinity);
    return column.map(c => c - first);
}

// Boxes and the bends of long lines, column by column.
function verticesOf(graph, column) {
    // Leaves give way to operations, so that a chain of these is straight.
    const vertices = graph.boxes.map((b, k) => ({ h: b.h, column: column[k], before: [], after: [], weight: k < graph.operations ? 40 : 1 }));
    const join = (a, b) => { vertices[a].after.push(b); vertices[b].before.push(a); };
    // Lines from one box share their bends, as far as they go together.
    const trunks = new Map();
    let bends = 0;
    for (const e of graph.edges.slice().sort((a, b) => column[a.to] - column[a.from] - column[b.to] + column[b.from])) {
        const trunk = trunks.get(e.from) || [e.from], length = column[e.to] - column[e.from];
        trunks.set(e.from, trunk);
        if (bends + length - trunk.length < mostBends) {
            while (trunk.length < length) {
                trunk.push(vertices.length);
                vertices.push({ h: 6, column: column[e.from] + trunk.length - 1, before: [], after: [], weight: 6 });
                join(trunk[trunk.length - 2], trunk[trunk.length - 1]);
                bends++;
            }
        }
        e.path = trunk.slice(0, Math.max(1, length)).concat([e.to]);
        join(e.path[e.path.length - 2], e.to);
    }
    return vertices;
}

const mean = list => list.reduce((a, b) => a + b, 0) / list.length;

// Boxes of a column in the order of what they are joined with, sweep after sweep: fewer lines cross.
function orderColumns(vertices, columns) {
    columns.forEach(list => list.forEach((v, i) => { vertices[v].order = i; }));
    for (let sweep = 0; sweep < 8; sweep++) {
        const side = sweep % 2 === 0 ? 'before' : 'after';
        const list = sweep % 2 === 0 ? columns : columns.slice().reverse();
        for (const c of list) {
            const want = new Map(c.map(v => {
                const near = vertices[v][side];
                return [v, near.length > 0 ? mean(near.map(w => vertices[w].order / columns[vertices[w].column].length)) * c.length
                    : vertices[v].order];
            }));
            c.sort((a, b) => want.get(a) - want.get(b) || vertices[a].order - vertices[b].order);
            c.forEach((v, i) => { vertices[v].order = i; });
        }
    }
}

// Positions nearest to those wanted, in this order and with these distances: averages of what would overlap.
function settleColumn(vertices, c, want) {
    let offset = 0;
    const blocks = [];
    c.forEach((v, i) => {
        if (i > 0) {
            offset += (vertices[c[i - 1]].h + vertices[v].h) / 2 + boxGap;
        }
        const weight = vertices[v].weight;
        let block = { sum: weight * (want(v) - offset), weight, at: want(v) - offset, members: [[v, offset]] };
        while (blocks.length > 0 && blocks[blocks.length - 1].at > block.at) {
            const last = blocks.pop();
            block = { sum: last.sum + block.sum, weight: last.weight + block.weight, members: last.members.concat(block.members) };
            block.at = block.sum / block.weight;
        }
        blocks.push(block);
    });
    for (const block of blocks) {
        for (const [v, by] of block.members) {
            vertices[v].y = block.at + by;
        }
    }
}

// Sets x, y (of the centre), row of each box, and points of each edge; returns {width, height}.
function layoutGraph(graph, aspect) {
    const column = columnsOf(graph), vertices = verticesOf(graph, column), columns = [];
    vertices.forEach((v, k) => {
        (columns[v.column] = columns[v.column] || []).push(k);
    });
    for (let c = 0; c < columns.length; c++) {
        columns[c] = columns[c] || [];
    }
    orderColumns(vertices, columns);
    columns.forEach(c => settleColumn(vertices, c, () => 0));
    for (let sweep = 0; sweep < 8; sweep++) {
        const list = sweep % 2 === 0 ? columns : columns.slice().reverse();
        list.forEach(c => settleColumn(vertices, c, v => {
            const { before, after, y } = vertices[v], near = sweep < 6 ? (sweep % 2 === 0 ? before : after) : before.concat(after);
            const heavy = near.filter(w => vertices[w].weight > 1), count = heavy.length > 0 ? heavy : near;
            return count.length > 0 ? mean(count.map(w => vertices[w].y)) : y;
        }));
    }
    const widths = columns.map(c => Math.max(24, ...c.map(v => (v < graph.boxes.length ? graph.boxes[v].w : 0))));
    const rows = wrapColumns(vertices, columns, widths, aspect);
    graph.boxes.forEach((b, k) => {
        b.x = vertices[k].x;
        b.y = vertices[k].top;
        b.row = vertices[k].row;
    });
    for (const e of graph.edges) {
        e.points = e.path.map((v, i) => ({ x: vertices[v].x, y: vertices[v].top, row: vertices[v].row, w: i === 0 ? graph.boxes[e.from].w
            : i === e.path.length - 1 ? graph.boxes[e.to].w : 0 }));
    }
    return rows;
}

// Columns into rows, so that the whole has about the wanted ratio of width to height.
function wrapColumns(vertices, columns, widths, aspect) {
    const tops = columns.map(c => Math.min(...c.map(v => vertices[v].y - vertices[v].h / 2), Infinity));
    const bottoms = columns.map(c => Math.max(...c.map(v => vertices[v].y + vertices[v].h / 2), -Infinity));
    // Rows of at most this width, as [first column, behind the last, top, bottom].
    const cut = limit => {
        const rows = [];
        let x = Infinity;
        widths.forEach((w, c) => {
            if (x + w > limit) {
                rows.push([c, c, Infinity, -Infinity]);
                x = 0;
            }
            const row = rows[rows.length - 1];
            x += w + columnGap;
            row[1] = c + 1;
            row[2] = Math.min(row[2], tops[c]);
            row[3] = Math.max(row[3], bottoms[c]);
        });
        return rows;
    };
    const total = widths.reduce((a, b) => a + b + columnGap, 0);
    let best = cut(total), ratio = Infinity;
    for (let count = 1; count <= 80 && (columns.length > 8 || count === 1); count++) {
        let limit = total / count, rows = cut(limit);
        while (rows.length > count) {
            limit *= 1.02;
            rows = cut(limit);
        }
        const strange = Math.abs(Math.log(limit / rows.reduce((h, r) => h + r[3] - r[2] + rowGap, 0) / aspect));
        if (strange < ratio) {
            ratio = strange;
            best = rows;
        }
    }
    let y = 0, width = 0;
    best.forEach(([from, to, top, bottom], row) => {
        let left = 0;
        for (let c = from; c < to; c++) {
            for (const v of columns[c]) {
                Object.assign(vertices[v], { x: left + widths[c] / 2, top: y + vertices[v].y - top, row });
            }
            left += widths[c] + columnGap;
        }
        width = Math.max(width, left - columnGap);
        y += bottom - top + rowGap;
    });
    return { width, height: Math.max(0, y - rowGap), rows: best.length };
}
