// Buttons, keys and the pointer; what they change, and that it is drawn.

function start() {
    const $ = id => document.getElementById(id);
    const tape = readTape(JSON.parse($('tape').textContent)), live = makeLive(tape), player = new Player(tape);
    const picture = new Picture($('graph'), tape, player);
    const state = { folding: foldingFor(tape), open: new Set(), selected: null, found: null, hits: [], hit: -1, playing: null, list: false, fresh: true };
    let dirty = false;

    // ---- drawing -------------------------------------------------------------------------------------------------------------

    function redraw() {
        if (!dirty) {
            dirty = true;
            requestAnimationFrame(() => {
                dirty = false;
                picture.draw(state);
            });
        }
    }

    const aspect = () => Math.max(0.6, picture.canvas.clientWidth / Math.max(1, picture.canvas.clientHeight));

    function rebuild() {
        picture.setGraph(buildGraph(tape, state.folding, state.open), aspect());
    }

    const boxNamed = id => {
        const i = picture.boxIndex.get(id);
        return i === undefined ? picture.graph.boxes.find(b => b.kind === 'leaf' && b.id.split('@')[0] === id) || null : picture.graph.boxes[i];
    };

    // Opens the groups that hide what is named, and returns its box.
    function uncover(id) {
        for (let tries = 0; boxNamed(id) === null && tries < 8; tries++) {
            const i = id[0] === 'n' ? tape.place.get(Number(id.slice(1))) : id[0] === 'l' && tape.uses.leaf[parseInt(id.slice(1), 10)].length > 0
                ? tape.uses.leaf[parseInt(id.slice(1), 10)][0].node : undefined;
            const box = i === undefined ? undefined : picture.graph.boxes[picture.graph.boxOf[i]];
            if (box === undefined || box.kind !== 'group') {
                return null;
            }
            state.open.add(box.id);
            rebuild();
        }
        return boxNamed(id);
    }

    // ---- what can be done ----------------------------------------------------------------------------------------------------

    function select(id, quiet) {
        state.selected = id;
        if (id !== null && !quiet) {
            const box = uncover(id);
            if (box !== null) {
                picture.reveal(box);
            }
        }
        panel.show(id);
        $('panel').scrollTop = 0;
        redraw();
    }

    function open(id) {
        const box = boxNamed(id), first = box === null ? null : box.nodes[0];
        if (first === null || box.kind !== 'group') {
            return;
        }
        state.open.add(id);
        rebuild();
        select(`n${tape.nodes[first].node}`);
    }

    function fold(folding) {
        state.folding = folding;
        state.open.clear();
        $('fold').value = folding;
        rebuild();
        if (state.selected !== null && boxNamed(state.selected) === null) {
            state.selected = null;
        }
        picture.fit();
        panel.show(state.selected);
        redraw();
    }

    // Closes what was opened around the chosen box.
    function close() {
        const box = state.selected === null ? null : boxNamed(state.selected);
        const inside = box === null || box.nodes.length === 0 ? null : box.nodes[0];
        const opened = Array.from(state.open);
        state.open.delete(opened[opened.length - 1]);
        rebuild();
        if (inside !== null) {
            state.selected = picture.graph.boxes[picture.graph.boxOf[inside]].id;
            picture.reveal(boxNamed(state.selected));
            panel.show(state.selected);
        }
        redraw();
    }

    const actions = {
        select, open, box: boxNamed,
        edit(l, i, x) {
            live.leafValues[l][i] = tape.leaves[l].type === 'float32' ? Math.fround(x) : x;
            recompute();
            if (state.selected !== null && state.selected.split('@')[0] === `l${l}` && panel.rest !== undefined) {
                panel.leafRest(l);
            } else {
                panel.show(state.selected);
            }
        },
    };
    const panel = new Panel($('panel'), tape, player, live, actions);

    function recompute() {
        live.recompute();
        tape.leaves.forEach((leaf, l) => {
            leaf.value = contentFrom(live.leafValues[l]);
            if (live.leafGradients[l] !== null) {
                leaf.gradient = contentFrom(live.leafGradients[l]);
            }
        });
        tape.nodes.forEach((node, k) => {
            node.outputs[0].value = contentFrom(live.values[k]);
            if (live.gradients[k] !== null) {
                node.outputs[0].gradient = contentFrom(live.gradients[k]);
            }
            node.inputs.filter(i => i !== null).forEach((input, i) => {
                if (live.contributions[k][i] !== undefined) {
                    input.contribution = contentFrom(live.contributions[k][i]);
                }
            });
        });
        $('reset').hidden = live.leafValues.every((v, l) => v.every((x, i) => Object.is(x, live.recorded[l][i])));
        say();
        list();
        redraw();
    }

    function reset() {
        live.leafValues = live.recorded.map(v => v.slice());
        recompute();
        panel.show(state.selected);
    }

    // ---- the player ----------------------------------------------------------------------------------------------------------

    function say() {
        const n = tape.nodes.length, i = player.current, loss = tape.loss === null ? undefined : tape.nodes[tape.place.get(tape.loss.node)];
        const what = i < 0 ? 'before the first operation' : player.phase === 'forward' ? `forward ${player.forward} of ${n}`
            : `backward ${player.back} of ${tape.visits.length}`;
        $('where').textContent = i < 0 ? what : `${what}:  #${tape.nodes[i].node} ${tape.nodes[i].operation}`;
        $('where').className = player.phase === 'backward' ? 'gradient' : 'value';
        const value = loss === undefined || loss.outputs.length === 0 ? undefined : loss.outputs[tape.loss.output].value;
        $('loss').textContent = value !== undefined && value.numbers && value.numbers.length === 1 ? `result ${show(value.numbers[0])}` : '';
        $('rule').textContent = i < 0 ? '' : (player.phase === 'backward' ? tape.nodes[i].derivative : tape.nodes[i].formula) || '';
        $('rule').className = player.phase === 'backward' ? 'gradient' : 'value';
    }

    function go(position, follow) {
        state.fresh = false;
        player.position = Math.min(tape.length, Math.max(0, position));
        $('slider').value = player.position;
        $('slider').setAttribute('aria-valuetext', player.phase === 'start' ? 'start' : `${player.phase}, operation ${tape.nodes[player.current].node}`);
        say();
        if (follow && player.current >= 0) {
            picture.reveal(picture.graph.boxes[picture.graph.boxOf[player.current]]);
        }
        panel.show(state.selected);
        if (state.list) {
            document.querySelectorAll('#list tr.now').forEach(r => r.classList.remove('now'));
            const row = document.querySelector(`#list tr[data-node="${player.current}"]`);
            if (row !== null) {
                row.classList.add('now');
                row.scrollIntoView({ block: 'nearest' });
            }
        }
        redraw();
    }

    function play(on) {
        clearInterval(state.playing);
        state.playing = null;
        if (on) {
            if (player.position >= tape.length || state.fresh) { // the page opens with all values, but plays from the start
                go(0, true);
            }
            const speed = Number($('speed').value), pause = Math.max(16, 1000 / speed), by = Math.max(1, Math.round(speed * pause / 1000));
            state.playing = setInterval(() => {
                go(player.position + by, true);
                if (player.position >= tape.length) {
                    play(false);
                }
            }, pause);
        }
        $('play').textContent = state.playing === null ? '▶' : '❚❚';
        $('play').setAttribute('aria-label', state.playing === null ? 'play' : 'pause');
    }

    // ---- search --------------------------------------------------------------------------------------------------------------

    function search(text) {
        const words = text.trim().toLowerCase().split(/\s+/).filter(w => w !== '');
        state.hits = [];
        state.hit = -1;
        state.found = null;
        if (words.length > 0) {
            const all = text2 => words.every(w => text2.toLowerCase().includes(w));
            state.found = new Set();
            tape.nodes.forEach((n, i) => {
                if (all(`#${n.node} ${n.operation} ${n.layer} ${n.line} ${n.outputs.map(y => y.name || '').join(' ')}`)) {
                    state.found.add(i);
                    state.hits.push(`n${n.node}`);
                }
            });
            tape.leaves.forEach((l, i) => {
                if (all(`${l.name || ''} ${l.kind}`) && tape.uses.leaf[i].length > 0) {
                    state.found.add(`l${i}`);
                    state.hits.push(`l${i}`);
                }
            });
        }
        $('hits').textContent = words.length === 0 ? '' : `${state.hits.length}`;
        redraw();
    }

    function next(by) {
        if (state.hits.length > 0) {
            state.hit = (state.hit + by + state.hits.length) % state.hits.length;
            $('hits').textContent = `${state.hit + 1}/${state.hits.length}`;
            select(state.hits[state.hit]);
        }
    }

    // ---- list, theme, paper --------------------------------------------------------------------------------------------------

    function list() {
        $('list').hidden = !state.list;
        $('listing').setAttribute('aria-pressed', state.list);
        if (state.list) {
            $('list').replaceChildren(tapeTable(tape, select, 5000));
        }
    }

    function theme(name) {
        document.documentElement.dataset.theme = name;
        readPalette();
        panel.show(state.selected);
        redraw();
    }
    const dark = () => (document.documentElement.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';

    // On paper: the whole graph, then what is chosen, then the list.
    const paper = { theme: undefined };
    function toPaper() {
        paper.theme = document.documentElement.dataset.theme || '';
        theme('light');
        const width = 1400, scale = Math.min(2, width / (picture.size.width + 80)), height = Math.ceil((picture.size.height + 80) * scale);
        const canvas = element('canvas', { width: width * 2, height: Math.min(16000, height * 2) }), g = canvas.getContext('2d');
        const view = { scale: picture.scale, left: picture.left, top: picture.top };
        Object.assign(picture, { scale, left: -40 - (width / scale - picture.size.width - 80) / 2, top: -40 });
        g.scale(2, 2);
        picture.paint(g, width, height, { selected: state.selected, found: null });
        Object.assign(picture, view);
        $('paper').replaceChildren(canvas);
        $('paper-list').replaceChildren(tapeTable(tape, () => {}, 500));
    }
    function fromPaper() {
        $('paper').replaceChildren();
        $('paper-list').replaceChildren();
        if (paper.theme === '') {
            delete document.documentElement.dataset.theme;
            readPalette();
            redraw();
        } else {
            theme(paper.theme);
        }
    }

    // ---- pointer and keys ----------------------------------------------------------------------------------------------------

    let drag = null;
    const canvas = picture.canvas;
    canvas.addEventListener('pointerdown', e => {
        drag = { x: e.clientX, y: e.clientY, left: picture.left, top: picture.top, moved: false };
        canvas.setPointerCapture(e.pointerId);
    });
    canvas.addEventListener('pointermove', e => {
        const at = canvas.getBoundingClientRect();
        if (drag === null) {
            canvas.style.cursor = picture.boxAt(e.clientX - at.left, e.clientY - at.top) !== null ? 'pointer' : 'grab';
            return;
        }
        drag.moved = drag.moved || Math.hypot(e.clientX - drag.x, e.clientY - drag.y) > 4;
        if (drag.moved) {
            picture.left = drag.left - (e.clientX - drag.x) / picture.scale;
            picture.top = drag.top - (e.clientY - drag.y) / picture.scale;
            redraw();
        }
    });
    canvas.addEventListener('pointerup', e => {
        const at = canvas.getBoundingClientRect();
        if (drag !== null && !drag.moved) {
            const box = picture.boxAt(e.clientX - at.left, e.clientY - at.top);
            select(box === null ? null : box.id, true);
        }
        drag = null;
    });
    canvas.addEventListener('pointercancel', () => { drag = null; });
    canvas.addEventListener('dblclick', e => {
        const at = canvas.getBoundingClientRect(), box = picture.boxAt(e.clientX - at.left, e.clientY - at.top);
        if (box !== null && box.kind === 'group') {
            open(box.id);
        }
    });
    canvas.addEventListener('wheel', e => {
        const at = canvas.getBoundingClientRect();
        e.preventDefault();
        picture.zoom(Math.exp(-e.deltaY * (e.ctrlKey ? 0.01 : 0.0015)), e.clientX - at.left, e.clientY - at.top);
        redraw();
    }, { passive: false });

    const middle = factor => { picture.zoom(factor, canvas.clientWidth / 2, canvas.clientHeight / 2); redraw(); };
    function neighbour(by) {
        const box = state.selected === null ? null : boxNamed(state.selected);
        const i = box === null || box.nodes.length === 0 ? (player.current < 0 ? (by > 0 ? -1 : 0) : player.current)
            : box.nodes[by > 0 ? box.nodes.length - 1 : 0];
        const to = Math.min(tape.nodes.length - 1, Math.max(0, i + by));
        if (to >= 0) {
            select(picture.graph.boxes[picture.graph.boxOf[to]].id);
        }
    }
    const keys = {
        ArrowRight: () => go(player.position + 1, true), ArrowLeft: () => go(player.position - 1, true),
        Home: () => go(0, true), End: () => go(tape.length, true), PageUp: () => go(player.position - 10, true), PageDown: () => go(player.position + 10, true),
        ' ': () => play(state.playing === null), '+': () => middle(1.25), '=': () => middle(1.25), '-': () => middle(0.8), 0: () => { picture.fit(); redraw(); },
        ArrowDown: () => neighbour(1), ArrowUp: () => neighbour(-1), j: () => neighbour(1), k: () => neighbour(-1),
        Enter: () => { if (state.selected !== null) { open(state.selected); } }, Backspace: () => close(),
        c: () => { if (player.current >= 0) { select(picture.graph.boxes[picture.graph.boxOf[player.current]].id); } },
        f: () => fold(foldings[(foldings.indexOf(state.folding) + 1) % foldings.length]),
        l: () => { state.list = !state.list; list(); picture.draw(state); }, t: () => theme(dark() ? 'light' : 'dark'),
        '/': () => $('search').focus(), n: () => next(1), N: () => next(-1), '?': () => $('help').showModal(),
        Escape: () => select(null),
    };
    document.addEventListener('keydown', e => {
        const typing = e.target instanceof HTMLInputElement && (e.target.type !== 'range' || e.target.id !== 'slider');
        const pressing = (e.target instanceof HTMLButtonElement || e.target instanceof HTMLSelectElement) && ['Enter', ' ', 'ArrowUp', 'ArrowDown'].includes(e.key);
        if (!typing && !pressing && !e.ctrlKey && !e.metaKey && !e.altKey && !$('help').open && Object.prototype.hasOwnProperty.call(keys, e.key)) {
            e.preventDefault();
            keys[e.key]();
        }
    });

    $('speed').value = tape.length <= 60 ? '3' : tape.length <= 300 ? '10' : '60'; // about half a minute for all of it
    $('slider').max = tape.length;
    $('slider').addEventListener('input', () => go(Number($('slider').value), true));
    $('slider').style.setProperty('--turn', `${100 * tape.nodes.length / Math.max(1, tape.length)}%`);
    $('play').addEventListener('click', () => play(state.playing === null));
    $('speed').addEventListener('change', () => { if (state.playing !== null) { play(true); } });
    for (const [id, key] of [['first', 'Home'], ['back', 'ArrowLeft'], ['on', 'ArrowRight'], ['last', 'End'], ['fit', '0'], ['in', '+'], ['out', '-'], ['theme', 't'],
        ['listing', 'l'], ['questions', '?']]) {
        $(id).addEventListener('click', keys[key]);
    }
    foldings.forEach(f => $('fold').append(element('option', { value: f }, f)));
    $('fold').value = state.folding;
    $('fold').addEventListener('change', () => fold($('fold').value));
    $('search').addEventListener('input', () => search($('search').value));
    $('search').addEventListener('keydown', e => {
        if (e.key === 'Enter') {
            next(e.shiftKey ? -1 : 1);
        } else if (e.key === 'Escape') {
            $('search').value = '';
            search('');
            $('search').blur();
        }
    });
    $('reset').addEventListener('click', reset);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { readPalette(); panel.show(state.selected); redraw(); });
    window.addEventListener('resize', redraw);
    new ResizeObserver(redraw).observe(canvas);
    window.addEventListener('beforeprint', toPaper);
    window.addEventListener('afterprint', fromPaper);

    readPalette();
    rebuild();
    picture.fit();
    $('live').hidden = !live.possible;
    go(tape.loss !== null ? tape.nodes.length : 0, false);
    state.fresh = true;
    panel.show(null);
    picture.draw(state);

    // What the page's own test looks at.
    window.wengert = { tape, player, live, state, picture, actions, go, fold, boxNamed };
}

start();
