// Both passes once more, in the page: each operation is computed by the formula of the table. The page is live only if that gives
// the numbers that the engine has recorded, of every value and every gradient.

const product = shape => shape.reduce((a, b) => a * b, 1);

// For each element of `shape`, the place of the element of `part` that broadcasting puts there.
function broadcastPlaces(part, shape) {
    const n = product(shape), places = new Int32Array(n), strides = new Array(shape.length).fill(0);
    let stride = 1;
    for (let d = part.length - 1; d >= 0; d--) {
        strides[d + shape.length - part.length] = part[d] === 1 ? 0 : stride;
        stride *= part[d];
    }
    const at = new Array(shape.length).fill(0);
    for (let i = 0, place = 0; i < n; i++) {
        places[i] = place;
        for (let d = shape.length - 1; d >= 0; d--) {
            place += strides[d];
            if (++at[d] < shape[d]) {
                break;
            }
            place -= strides[d] * shape[d];
            at[d] = 0;
        }
    }
    return places;
}

function broadcastShape(shapes) {
    const out = [];
    for (const s of shapes) {
        for (let d = 1; d <= s.length; d++) {
            const size = s[s.length - d];
            if (out[d - 1] === undefined || out[d - 1] === 1) {
                out[d - 1] = size;
            } else if (size !== 1 && size !== out[d - 1]) {
                return null;
            }
        }
    }
    return out.reverse();
}

const sameShape = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

// ---- rules: {value(x) -> y, slopes(x, y, dy) -> [dx…]}, arrays row-major, for given shapes --------------------------------------

// `scale`: 1, or what each element's share of a mean is, where the result is reduced to one number.
function elementwiseRule(f, numbers, inShapes, outShape, reduced) {
    const full = reduced === null ? outShape : broadcastShape(inShapes);
    if (full === null || broadcastShape(inShapes.concat([full])) === null || f.inputs.length !== inShapes.length) {
        return null;
    }
    const n = product(full), places = inShapes.map(s => broadcastPlaces(s, full)), scale = reduced === 'mean' ? 1 / n : 1;
    const env = Object.assign({}, numbers);
    const load = (x, i) => f.inputs.forEach((name, k) => { env[name] = x[k][places[k][i]]; });
    return {
        value(x) {
            const y = new Float64Array(product(outShape));
            for (let i = 0; i < n; i++) {
                load(x, i);
                y[reduced === null ? i : 0] += f.value(env) * scale;
            }
            return y;
        },
        slopes: f.slopes === null ? null : (x, y, dy) => {
            const dx = inShapes.map(s => new Float64Array(product(s))), wanted = inShapes.map(() => false);
            for (let i = 0; i < n; i++) {
                load(x, i);
                env[f.result] = y[reduced === null ? i : 0];
                env['d' + f.result] = dy[reduced === null ? i : 0] * scale;
                f.slopes(env).forEach((d, k) => {
                    if (d !== null) {
                        dx[k][places[k][i]] += d;
                        wanted[k] = true;
                    }
                });
            }
            return dx.map((d, k) => (wanted[k] ? d : null));
        },
    };
}

// Sums over some dimensions: all sets of dimensions that lead to the result's shape are tried.
function sumRules(inShape, outShape, mean) {
    const rules = [];
    for (let mask = 1; mask < 1 << inShape.length || mask === 1; mask++) {
        const kept = inShape.map((s, d) => (mask >> d & 1 ? 1 : s)), without = inShape.filter((s, d) => !(mask >> d & 1));
        if (sameShape(kept, outShape) || sameShape(without, outShape)) {
            const places = broadcastPlaces(kept, inShape), n = product(inShape) / product(kept);
            rules.push({
                value(x) {
                    const y = new Float64Array(product(outShape));
                    x[0].forEach((v, i) => { y[places[i]] += mean ? v / n : v; });
                    return y;
                },
                slopes: (x, y, dy) => [x[0].map((v, i) => (mean ? dy[places[i]] / n : dy[places[i]]))],
            });
        }
    }
    return rules;
}

// y (rows, n) = a (rows, k) b, where b is (k, n), or (n, k) if transposed.
function matrixRule(a, b, out, transposed, bias) {
    const k = a[a.length - 1], n = transposed ? b[0] : b[b.length - 1], rows = product(a) / k;
    if (b.length !== 2 || a.length < 1 || product(out) !== rows * n || (transposed ? b[1] : b[0]) !== k) {
        return null;
    }
    const at = transposed ? (i, j) => j * k + i : (i, j) => i * n + j;
    return {
        value(x) {
            const y = new Float64Array(rows * n);
            for (let r = 0; r < rows; r++) {
                for (let j = 0; j < n; j++) {
                    let sum = 0;
                    for (let i = 0; i < k; i++) {
                        sum += x[0][r * k + i] * x[1][at(i, j)];
                    }
                    y[r * n + j] = sum + (bias ? x[2][j] : 0);
                }
            }
            return y;
        },
        slopes(x, y, dy) {
            const da = new Float64Array(rows * k), db = new Float64Array(k * n), dbias = new Float64Array(n);
            for (let r = 0; r < rows; r++) {
                for (let j = 0; j < n; j++) {
                    const g = dy[r * n + j];
                    dbias[j] += g;
                    for (let i = 0; i < k; i++) {
                        da[r * k + i] += g * x[1][at(i, j)];
                        db[at(i, j)] += g * x[0][r * k + i];
                    }
                }
            }
            return bias ? [da, db, dbias] : [da, db];
        },
    };
}

// Along the last dimension.
function softmaxRule(shape, log) {
    const n = shape.length === 0 ? 1 : shape[shape.length - 1];
    const rows = x => Array.from({ length: x.length / n }, (_, r) => r * n);
    return {
        value(x) {
            const y = new Float64Array(x[0].length);
            for (const r of rows(y)) {
                let max = -Infinity, sum = 0;
                for (let i = r; i < r + n; i++) { max = Math.max(max, x[0][i]); }
                for (let i = r; i < r + n; i++) { sum += Math.exp(x[0][i] - max); }
                for (let i = r; i < r + n; i++) {
                    y[i] = log ? x[0][i] - max - Math.log(sum) : Math.exp(x[0][i] - max) / sum;
                }
            }
            return y;
        },
        slopes(x, y, dy) {
            const dx = new Float64Array(y.length);
            for (const r of rows(y)) {
                let sum = 0;
                for (let i = r; i < r + n; i++) { sum += log ? dy[i] : dy[i] * y[i]; }
                for (let i = r; i < r + n; i++) { dx[i] = log ? dy[i] - Math.exp(y[i]) * sum : y[i] * (dy[i] - sum); }
            }
            return [dx];
        },
    };
}

const copyRule = { value: x => x[0].slice(), slopes: (x, y, dy) => [dy.slice()] };

// The rules that a node may follow, by the words of the table; the one that gives its recorded numbers is taken.
function rulesOf(node, inShapes, outShape) {
    const words = node.formula || '', rules = [];
    if (words === 'y = sum of x over dims' || words === 'y = sum of x over dims / n') {
        rules.push(...sumRules(inShapes[0], outShape, words.endsWith('/ n')));
    } else if (words === 'y = x w^T + b') {
        rules.push(matrixRule(inShapes[0], inShapes[1], outShape, true, inShapes.length > 2));
    } else if (words === 'y = a b' && (node.derivative || '').includes('b^T')) {
        rules.push(matrixRule(inShapes[0], inShapes[1], outShape, false, false));
    } else if (['y = x with another shape', 'y = x, copied', 'y = x, row-major'].includes(words)) {
        rules.push(copyRule);
    } else if (words === 'y = e^x / sum of e^x' || words === 'y = x - log(sum of e^x)') {
        rules.push(softmaxRule(outShape, words.includes('log')));
    } else if (words === 'y = x broadcast to a shape') {
        rules.push(elementwiseRule(formulaOf('y = x', 'dx = dy', {}), {}, inShapes, outShape, null));
    } else {
        const numbers = {};
        for (const name of Object.keys(node.numbers)) {
            numbers[name] = numberOf(node.numbers[name]);
        }
        const f = formulaOf(words, node.derivative, numbers);
        if (f !== null) {
            rules.push(elementwiseRule(f, numbers, inShapes, outShape, null));
            if (product(outShape) === 1) {
                rules.push(elementwiseRule(f, numbers, inShapes, outShape, 'mean'));
                rules.push(elementwiseRule(f, numbers, inShapes, outShape, 'sum'));
            }
        }
    }
    return rules.filter(r => r !== null);
}

// ---- the whole tape ---------------------------------------------------------------------------------------------------------------

const round = (x, type) => (type === 'float32' ? Float64Array.from(x, Math.fround) : x);

// Whether what was computed is what was recorded, up to the rounding of `steps` operations and of sums in another order.
function agrees(x, recorded, type, steps) {
    const expected = recorded.map(numberOf), scale = Math.max(...expected.map(Math.abs).filter(Number.isFinite), 1e-30);
    return expected.every((v, i) => Object.is(v, x[i]) || v === x[i] ||
        Math.abs(v - x[i]) <= (type === 'float32' ? 1e-6 : 1e-14) * (1 + steps) * Math.max(scale, Math.abs(v)));
}

// {possible, why, values, gradients, leafValues, leafGradients, recompute()}.
function makeLive(tape) {
    const live = { possible: false, why: '' };
    const no = why => { live.why = why; return live; };
    const numbersOf = content => (content && content.numbers ? Float64Array.from(content.numbers, numberOf) : null);
    if (tape.loss === null) {
        return no('it was drawn without a loss');
    }
    const place = new Map(tape.nodes.map((n, i) => [n.node, i]));
    live.leafValues = tape.leaves.map(l => numbersOf(l.value));
    if (tape.leaves.some(l => l.changed)) {
        return no('an input was changed since');
    }
    const hidden = tape.leaves.find(l => l.kind === 'constant' && l.computed && l.because);
    if (hidden !== undefined) {
        return no(`a constant, ${hidden.because} at ${hidden.line}, would not follow`);
    }
    // Nor would one that was computed from another constant.
    live.editable = l => tape.leaves[l].kind === 'leaf' || !tape.leaves.some(k => k.computed);
    if (live.leafValues.includes(null) || tape.nodes.length > 400) {
        return no('its tensors are too large');
    }
    const rules = [];
    const sources = tape.nodes.map(n => n.inputs.filter(i => i !== null));
    const read = (store, leafStore, i) => (i.leaf !== undefined ? leafStore[i.leaf] : store[place.get(i.node)]);

    live.forward = () => {
        live.values = [];
        tape.nodes.forEach((node, k) => {
            const x = sources[k].map(i => read(live.values, live.leafValues, i));
            live.values.push(round(rules[k].value(x), node.outputs[0].type));
        });
    };
    live.backward = () => {
        live.gradients = tape.nodes.map(() => null);
        live.leafGradients = tape.leaves.map(() => null);
        live.contributions = tape.nodes.map(() => []);
        const end = place.get(tape.loss.node);
        live.gradients[end] = Float64Array.of(1);
        for (let k = end; k >= 0; k--) {
            if (live.gradients[k] === null || rules[k].slopes === null) {
                continue;
            }
            const x = sources[k].map(i => read(live.values, live.leafValues, i));
            const dx = rules[k].slopes(x, live.values[k], live.gradients[k]);
            sources[k].forEach((input, i) => {
                if (!input.wants || dx[i] === null || dx[i] === undefined) {
                    return;
                }
                const store = input.leaf !== undefined ? live.leafGradients : live.gradients;
                const to = input.leaf !== undefined ? input.leaf : place.get(input.node);
                const type = tape.nodes[k].outputs[0].type, part = round(dx[i], type);
                live.contributions[k][i] = part;
                store[to] = store[to] === null ? part.slice() : round(store[to].map((g, e) => g + part[e]), type);
            });
        }
    };
    live.recompute = () => { live.forward(); live.backward(); };

    live.values = [];
    for (let k = 0; k < tape.nodes.length; k++) {
        const node = tape.nodes[k], called = `#${node.node} ${node.operation}`;
        const recorded = node.outputs.length === 1 ? node.outputs[0].value : null;
        if (recorded === null || !recorded.numbers) {
            return no(`${called} has ${node.outputs.length > 1 ? 'several results' : 'no numbers'}`);
        }
        if (sources[k].some(i => i.output > 0)) {
            return no(`${called} reads a second result`);
        }
        const x = sources[k].map(i => read(live.values, live.leafValues, i));
        const found = rulesOf(node, sources[k].map(i => i.shape), node.outputs[0].shape)
            .filter(r => agrees(round(r.value(x), node.outputs[0].type), recorded.numbers, node.outputs[0].type, 1));
        if (found.length !== 1 && !(found.length > 1 && product(node.outputs[0].shape) === product(sources[k][0].shape))) {
            return no(`${called} is not element by element, or more than the page can compute`);
        }
        rules.push(found[0]);
        live.values.push(Float64Array.from(recorded.numbers, numberOf));
    }
    live.recompute();
    for (let k = 0; k < tape.nodes.length; k++) {
        const recorded = tape.nodes[k].outputs[0].gradient;
        if (recorded.numbers && (live.gradients[k] === null ||
            !agrees(live.gradients[k], recorded.numbers, tape.nodes[k].outputs[0].type, tape.nodes.length))) {
            return no(`the gradient of #${tape.nodes[k].node} comes out otherwise`);
        }
        if (!recorded.numbers && live.gradients[k] !== null) {
            return no('there are no gradients');
        }
    }
    live.possible = true;
    live.recorded = live.leafValues.map(v => v.slice());
    return live;
}
