// The words of a text, marked by keyboard or mouse. See studio/widgets/word_marker.py for what is sent and why.
// Words are known by their place only: the server alone counts characters.

const desks = new WeakMap();
const BUSY = 'input, textarea, select, [contenteditable="true"], [role="dialog"], [role="menu"], [role="listbox"],' +
  ' [role="radiogroup"], [role="tablist"], [role="slider"], [role="grid"]';
const SETTLE_MS = 250;

export default function (component) {
  let desk = desks.get(component.parentElement);
  if (!desk) {
    desk = new Desk(component.parentElement);
    desks.set(component.parentElement, desk);
  }
  desk.update(component.data, component.setStateValue);
  return () => {
    desk.close();
    desks.delete(component.parentElement);
  };
}

class Desk {
  constructor(root) {
    this.frame = root.querySelector('.frame');
    this.hint = root.querySelector('.hint');
    this.said = root.querySelector('.said');
    this.item = null;
    this.strokes = [];
    this.spans = [];
    this.last = 0;
    this.anchor = this.head = null;
    this.ending = new AbortController();
    const on = (target, kind, heard, capture = false) =>
      target.addEventListener(kind, heard, { capture, signal: this.ending.signal });
    // In front of Streamlit's own listeners: what is used here must not press a button as well.
    on(window, 'keydown', (event) => this.key(event), true);
    on(window, 'click', (event) => this.click(event), true);
    on(window, 'focusin', (event) => this.leave(event), true);
    on(this.frame, 'pointerdown', (event) => this.down(event));
    on(this.frame, 'pointermove', (event) => this.drag(event));
    on(window, 'pointerup', () => { this.dragging = false; });
  }

  close() {
    clearTimeout(this.timer);
    this.ending.abort();
  }

  update(data, setStateValue) {
    this.send = () => setStateValue('said', {
      item: this.item, visit: this.data.visit, strokes: this.strokes, chosen: this.range(),
    });
    this.data = data;
    if (this.item !== data.item) this.build(data);
    this.last = Math.max(this.last, data.done);
    this.strokes = this.strokes.filter((stroke) => stroke.n > data.done);
    // The server does not tell which mark is the newest: that is known here.
    const numbers = new Map(this.spans.map((span) => [`${span.from} ${span.to}`, span.n]));
    this.spans = data.spans.map((span) => ({ ...span, n: numbers.get(`${span.from} ${span.to}`) }));
    this.strokes.forEach((stroke) => this.apply(stroke));
    this.frame.style.height = `${data.height}px`;
    this.frame.classList.toggle('large', data.large);
    this.frame.setAttribute('aria-label', data.hint);
    this.hint.textContent = data.hint;
    this.paint();
  }

  build(data) {
    clearTimeout(this.timer);
    this.timer = null;
    this.item = data.item;
    this.strokes = [];
    this.spans = [];
    this.anchor = this.head = null;
    this.words = [];
    this.gaps = [];
    const text = document.createDocumentFragment();
    const add = (kind, words, list) => {
      const element = document.createElement('span');
      element.className = kind;
      element.textContent = words;
      list.push(element);
      text.append(element);
    };
    data.parts.forEach(([gap, word]) => {
      add('gap', gap, this.gaps);
      add('word', word, this.words);
    });
    add('gap', data.tail, this.gaps);
    this.frame.replaceChildren(text);
    this.places = new Map(this.words.map((element, place) => [element, place]));
    this.frame.scrollTop = 0;
  }

  // ------------------------------------------------------------ what is chosen and marked

  spanAt(place) {
    return this.spans.find((span) => span.from <= place && place <= span.to);
  }

  range() {
    if (this.head === null) return null;
    const span = this.anchor === this.head && !this.data.lone ? this.spanAt(this.head) : null;
    if (span) return [span.from, span.to];
    return [Math.min(this.anchor, this.head), Math.max(this.anchor, this.head)];
  }

  move(head, extend) {
    const left = head === null && this.head !== null;
    this.head = head;
    if (!extend || this.anchor === null) this.anchor = head;
    if (head !== null) this.words[head].scrollIntoView({ block: 'nearest' });
    this.paint();
    const range = this.range();
    this.said.textContent = range ? this.words.slice(range[0], range[1] + 1).map((w) => w.textContent).join(' ') : '';
    if (!this.data.lone) {
      if (left) this.send(); // or a label pressed next would still mean the words that were chosen
      return;
    }
    clearTimeout(this.timer);
    this.timer = range ? setTimeout(() => this.settle(), SETTLE_MS) : null;
  }

  settle() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.timer = null;
    if (this.head !== null) this.mark(this.data.labels[0]);
  }

  mark(label) {
    const [from, to] = this.range();
    this.stroke({ do: 'mark', from, to, label: label.id });
    if (!this.data.lone) this.anchor = this.head = to;
    this.paint();
  }

  // A stroke like the others: the marks it takes are those at its place in their order, however late the server hears.
  relate(relation) {
    this.stroke({ do: 'relate', from: 0, to: 0, label: relation.id });
  }

  takeBack() {
    const newest = this.spans.reduce((a, b) => ((b.n || 0) >= (a.n || 0) ? b : a));
    const span = (this.head !== null && this.spanAt(this.head)) || newest;
    if (this.data.lone) this.anchor = this.head = null;
    this.stroke({ do: 'back', from: span.from, to: span.to, label: 0 });
  }

  stroke(stroke) {
    this.last += 1;
    this.strokes.push({ n: this.last, ...stroke });
    this.apply(this.strokes.at(-1));
    this.paint();
    this.send();
  }

  // Shown at once; the server's own spans take their place when it has heard of the stroke.
  apply({ n, do: deed, from, to, label }) {
    const kind = this.kind(label);
    if (deed === 'mark' && kind) {
      const stays = (span) => !this.data.lone && (span.to < from || to < span.from)
        && !(this.data.once && span.name === kind.name);
      this.spans = [...this.spans.filter(stays), { from, to, name: kind.name, colour: kind.colour, n }];
    } else if (deed === 'back') {
      this.spans = this.spans.filter((span) => span.from !== from);
    } else if (deed === 'relate' && this.spans.length === this.data.labels.length) {
      this.spans = [];
    }
  }

  // ------------------------------------------------------------ hands

  key(event) {
    const target = event.composedPath()[0];
    if (event.isComposing || target.closest?.(BUSY) || document.querySelector('[data-testid="stDialog"]')) return;
    if (this.used(event)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }

  used(event) {
    const { key, shiftKey: shift } = event;
    if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === 'z' && !shift
      && (this.data.undo || this.strokes.length)) {
      this.stroke({ do: 'undo', from: 0, to: 0, label: 0 });
      return true;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !this.words.length) return false;
    if (key === 'ArrowLeft' || key === 'ArrowRight') {
      const forward = (key === 'ArrowRight') === (getComputedStyle(this.frame).direction !== 'rtl');
      const start = forward ? 0 : this.words.length - 1;
      const next = this.head === null ? start : this.head + (forward ? 1 : -1);
      this.move(Math.min(Math.max(next, 0), this.words.length - 1), shift);
      return true;
    }
    if (this.head !== null) {
      const to = { ArrowUp: () => this.line(-1), ArrowDown: () => this.line(1), Home: () => 0,
        End: () => this.words.length - 1, Escape: () => null }[key];
      if (to) {
        this.move(to(), shift && key !== 'Escape');
        return true;
      }
    }
    if (key === 'Enter') this.settle(); // and goes on to the button that saves
    if (key === 'Backspace' || key === 'Delete') return this.back();
    const relation = this.data.relations.find((one) => one.key === named(key, shift));
    if (relation) {
      if (!event.repeat) this.relate(relation);
      return true;
    }
    const label = this.data.lone ? null : this.data.labels.find((one) => one.key === named(key, shift));
    if (!label || this.head === null) return false;
    if (!event.repeat) this.mark(label);
    return true;
  }

  // Of several kinds with one key the first that nothing is marked as, else the last. Asked anew whenever the stroke is
  // applied, here and by the server: it depends on the marks that are there by then.
  kind(id) {
    const meant = this.data.labels.find((one) => one.id === id);
    const kinds = this.data.labels.filter((one) => one === meant || (meant?.key && one.key === meant.key));
    return kinds.find((one) => !this.spans.some((span) => span.name === one.name)) || kinds.at(-1);
  }

  back() {
    if (this.data.lone && this.timer) {
      clearTimeout(this.timer);
      this.timer = null;
      this.move(null, false);
      return true;
    }
    if (!this.spans.length) return false;
    this.takeBack();
    return true;
  }

  // The word of the line above (-1) or below (1) that stands nearest.
  line(way) {
    const box = (place) => this.words[place].getClientRects()[0];
    const middle = (rect) => (rect.left + rect.right) / 2;
    const here = box(this.head);
    let [best, line] = [this.head, null];
    for (let place = this.head + way; place >= 0 && place < this.words.length; place += way) {
      const rect = box(place);
      if (Math.abs(rect.top - here.top) < here.height / 2) continue;
      if (line === null) line = rect.top;
      if (Math.abs(rect.top - line) >= here.height / 2) break;
      if (best === this.head || Math.abs(middle(rect) - middle(here)) < Math.abs(middle(box(best)) - middle(here))) {
        best = place;
      }
    }
    return best;
  }

  down(event) {
    if (event.button !== 0) return;
    const place = this.places.get(event.target);
    if (place === undefined && event.target !== this.frame && !event.target.classList.contains('gap')) return;
    this.dragging = place !== undefined;
    this.move(place ?? null, event.shiftKey);
  }

  drag(event) {
    const place = this.places.get(event.target);
    if (this.dragging && place !== undefined && place !== this.head) this.move(place, true);
  }

  // A click on the button of a label or relation is its key.
  click(event) {
    const button = event.composedPath().find((one) => one.className?.includes?.('st-key-label_'));
    const [, item, id] = button?.className.match(/st-key-label_(\d+)_(\d+)/) || [];
    if (Number(item) !== this.item || !event.target.closest('button')) return;
    const relation = this.data.relations.find((one) => one.id === Number(id));
    const label = this.data.labels.find((one) => one.id === Number(id));
    if (!relation && (!label || this.head === null || this.data.lone)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.frame.focus({ preventScroll: true }); // on the button, Enter would press it once more
    if (relation) this.relate(relation);
    else this.mark(label);
  }

  // Elsewhere on the page, e.g. in the search box of labels, it matters which words are chosen.
  leave(event) {
    if (this.data.lone || this.head === null || event.composedPath().includes(this.frame)) return;
    if (event.target.closest?.(BUSY)) this.send();
  }

  // ------------------------------------------------------------ looks

  paint() {
    const chosen = this.range();
    const inside = (place) => chosen && chosen[0] <= place && place <= chosen[1];
    const looks = (element, name, span, tag) => {
      if (element.className !== name) element.className = name;
      const colour = span?.colour || '';
      if (element.style.getPropertyValue('--colour') !== colour) element.style.setProperty('--colour', colour);
      if (tag) element.dataset.tag = tag;
      else delete element.dataset.tag;
    };
    const spans = [];
    this.spans.forEach((span) => {
      for (let place = span.from; place <= span.to; place += 1) spans[place] = span;
    });
    this.words.forEach((element, place) => {
      const span = spans[place];
      const both = inside(place) && inside(place - 1);
      const joined = span && span === spans[place - 1];
      looks(this.gaps[place], `gap${joined ? ' marked' : ''}${both ? ' chosen' : ''}`, joined ? span : null);
      const cursor = place === this.head ? ' cursor' : '';
      const name = `word${span ? ' marked' : ''}${inside(place) ? ' chosen' : ''}${cursor}`;
      looks(element, name, span, span && span.to === place ? span.name : '');
    });
  }
}

function named(key, shift) {
  return (shift && /^[a-z]$/i.test(key) ? 'Shift+' : '') + key.toUpperCase();
}
