// The formulas of the operation table as functions of numbers: "y = 1 / (1 + e^-x)", "dx = dy y (1 - y)".
// What cannot be read so (words, sums over dimensions) gives null.

const numberFunctions = {
    abs: Math.abs, acos: Math.acos, acosh: Math.acosh, asin: Math.asin, asinh: Math.asinh, atan: Math.atan, atanh: Math.atanh,
    cos: Math.cos, cosh: Math.cosh, sin: Math.sin, sinh: Math.sinh, tan: Math.tan, tanh: Math.tanh, sqrt: Math.sqrt,
    log: Math.log, exp: Math.exp,
    sign: x => (x > 0 ? 1 : x < 0 ? -1 : x),
    sigmoid: x => 1 / (1 + Math.exp(-x)),
    erf: erf,
    Phi: x => (1 + erf(x / Math.SQRT2)) / 2,
    phi: x => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI),
    // A NaN among the inputs is the result, as in the engine.
    max: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? NaN : a > b ? a : b),
    min: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? NaN : a < b ? a : b),
    clamp: (x, low, high) => (x < low ? low : x > high ? high : x),
};

// The series for small arguments, the continued fraction of erfc for others: 15 digits.
function erf(x) {
    const a = Math.abs(x);
    if (!(a < 6)) {
        return Number.isNaN(x) ? x : Math.sign(x);
    }
    if (a < 2.5) {
        let sum = a, term = a;
        for (let n = 1; n < 100; n++) {
            term *= -a * a / n;
            sum += term / (2 * n + 1);
        }
        return Math.sign(x) * sum * 2 / Math.sqrt(Math.PI);
    }
    let f = 0;
    for (let n = 60; n > 0; n--) {
        f = n / 2 / (a + f);
    }
    return Math.sign(x) * (1 - Math.exp(-a * a) / (a + f) / Math.sqrt(Math.PI));
}

function tokensOf(text) {
    const tokens = text.match(/[A-Za-z_][A-Za-z_0-9]*'?|\d+(?:\.\d+)?|<=|>=|==|!=|\S/g);
    return tokens || [];
}

// Names that the functions of this formula read are collected in `names`, in the order in which they occur.
function expressionOf(text, names) {
    const tokens = tokensOf(text);
    let at = 0;
    const fail = why => { throw new Error(why); };
    const isName = t => t !== undefined && /^[A-Za-z_]/.test(t) && t !== 'and' && t !== 'or';
    const isNumber = t => t !== undefined && /^\d/.test(t);
    const take = t => (tokens[at] === t ? (at++, true) : false);
    const expect = t => take(t) || fail(`expected ${t}`);

    // A bar ends what a bar began; inside brackets it may begin anew.
    let bars = 0;
    function within(open, end) {
        const before = bars;
        bars = open;
        const inner = ternary();
        expect(end);
        bars = before;
        return inner;
    }

    function primary() {
        const t = tokens[at++];
        if (isNumber(t)) {
            const x = parseFloat(t);
            return () => x;
        }
        if (t === '(' || t === '[') {
            return within(0, t === '(' ? ')' : ']');
        }
        if (t === '|') {
            const inner = within(1, '|');
            return env => Math.abs(inner(env));
        }
        if (!isName(t)) {
            fail(`unexpected ${t}`);
        }
        if (Object.prototype.hasOwnProperty.call(numberFunctions, t)) {
            return call(numberFunctions[t]);
        }
        if (t === 'e' || t === 'pi') {
            const x = t === 'e' ? Math.E : Math.PI;
            return () => x;
        }
        if (!names.includes(t)) {
            names.push(t);
        }
        return env => env[t];
    }

    // log(x), log x, max(a, b)
    function call(f) {
        if (!take('(')) {
            const argument = power();
            return env => f(argument(env));
        }
        const list = [ternary()];
        while (take(',')) {
            list.push(ternary());
        }
        expect(')');
        if (list.length !== f.length) {
            fail('another number of arguments');
        }
        return env => f(...list.map(g => g(env)));
    }

    function power() {
        const base = primary();
        if (!take('^')) {
            return base;
        }
        if (tokens[at] === 'T') {
            fail('a transposed matrix');
        }
        const minus = take('-'), exponent = power();
        return env => {
            const b = base(env), x = minus ? -exponent(env) : exponent(env);
            return b === Math.E ? Math.exp(x) : Math.pow(b, x);
        };
    }

    // A product may be written without a sign: "dy (1 - y^2)".
    function beginsFactor(t) {
        return isName(t) || isNumber(t) || t === '(' || t === '[' || (t === '|' && bars === 0);
    }

    function term() {
        let left = power();
        for (;;) {
            const a = left;
            if (take('/')) {
                const b = power();
                left = env => a(env) / b(env);
            } else if (beginsFactor(tokens[at])) {
                const b = power();
                left = env => a(env) * b(env);
            } else {
                return left;
            }
        }
    }

    function sum() {
        const minus = take('-'), first = term();
        let left = minus ? env => -first(env) : first;
        for (;;) {
            const a = left;
            if (take('+')) {
                const b = term();
                left = env => a(env) + b(env);
            } else if (take('-')) {
                const b = term();
                left = env => a(env) - b(env);
            } else {
                return left;
            }
        }
    }

    const comparisons = {
        '<': (a, b) => a < b, '<=': (a, b) => a <= b, '>': (a, b) => a > b, '>=': (a, b) => a >= b,
        '=': (a, b) => a === b, '==': (a, b) => a === b, '!=': (a, b) => a !== b,
    };
    function comparison() {
        const parts = [sum()], signs = [];
        while (Object.prototype.hasOwnProperty.call(comparisons, tokens[at])) {
            signs.push(comparisons[tokens[at++]]);
            parts.push(sum());
        }
        if (signs.length === 0) {
            return parts[0];
        }
        return env => {
            const x = parts.map(p => p(env));
            return signs.every((holds, i) => holds(x[i], x[i + 1])) ? 1 : 0;
        };
    }

    function conjunction() {
        let left = comparison();
        while (tokens[at] === 'and' || tokens[at] === 'or') {
            const and = tokens[at++] === 'and', a = left, b = comparison();
            left = and ? env => (a(env) !== 0 && b(env) !== 0 ? 1 : 0) : env => (a(env) !== 0 || b(env) !== 0 ? 1 : 0);
        }
        return left;
    }

    function ternary() {
        const condition = conjunction();
        if (!take('?')) {
            return condition;
        }
        const yes = ternary();
        expect(':');
        const no = ternary();
        return env => (condition(env) !== 0 ? yes(env) : no(env));
    }

    const f = ternary();
    if (at < tokens.length) {
        fail(`unexpected ${tokens[at]}`);
    }
    return f;
}

// "dx = …, dy = …; s = …" into [["dx", "…"], …]; commas inside brackets do not count.
function equationsOf(text) {
    const parts = [''];
    let depth = 0;
    for (const c of text) {
        depth += '(['.includes(c) ? 1 : ')]'.includes(c) ? -1 : 0;
        if (depth === 0 && (c === ',' || c === ';')) {
            parts.push('');
        } else {
            parts[parts.length - 1] += c;
        }
    }
    return parts.map(p => {
        const sides = /^\s*([A-Za-z_][A-Za-z_0-9]*'?)\s*=(?!=)(.*)$/.exec(p);
        return sides === null ? null : [sides[1], sides[2]];
    });
}

// {inputs: names, result: name, value(env), slopes(env): the contribution to each input, or null}; env has the inputs, the numbers
// of the formula and, for the slopes, the result and its gradient. null if the words are beyond this.
function formulaOf(formula, derivative, numbers) {
    try {
        const [side] = equationsOf(formula).length === 1 ? equationsOf(formula) : [null];
        if (side === null) {
            return null;
        }
        const result = side[0], names = [], value = expressionOf(side[1], names);
        let inputs = names.filter(n => !(n in numbers));
        if (derivative === null) {
            return { inputs, result, value, slopes: null };
        }
        const equations = equationsOf(derivative);
        if (equations.includes(null)) {
            return null;
        }
        const named = equations.map(e => e[0]).filter(n => n[0] === 'd' && inputs.includes(n.slice(1))).map(n => n.slice(1));
        if (named.length === inputs.length) {
            inputs = named; // in the order of the inputs
        }
        const used = [], parts = {}, arriving = 'd' + result;
        for (const [name, text] of equations) {
            parts[name] = expressionOf(text, used);
        }
        const known = new Set([...inputs, ...Object.keys(numbers), ...Object.keys(parts), result, arriving]);
        if (used.some(n => !known.has(n)) || inputs.length === 0) {
            return null;
        }
        const helpers = Object.keys(parts).filter(n => !inputs.includes(n.slice(1)) || n[0] !== 'd');
        const slopes = env => {
            const e = Object.assign({}, env);
            for (const n of helpers) {
                e[n] = parts[n](e);
            }
            return inputs.map(n => {
                if (parts['d' + n] === undefined) {
                    return null;
                }
                const d = parts['d' + n](e);
                // "loss = …, dx = …; dy = -dx" speaks of what was found before
                if ('d' + n !== arriving) {
                    e['d' + n] = d;
                }
                return d;
            });
        };
        return { inputs, result, value, slopes };
    } catch (error) {
        return null;
    }
}
