/** Items by weight. Finding the heaviest costs O(1), a change O(log n). */
export interface Ranking<Item> {
  /** Adds an item or changes its weight. Of two equal items the one that was put first is the heavier. */
  put(item: Item, weight: number): void;
  delete(item: Item): void;
  /** The heaviest item other than `except`. Compares at most three. */
  heaviest(except: Item): Item | undefined;
  clear(): void;
}

interface Node<Item> {
  readonly item: Item;
  weight: number;
  putAt: number;
  index: number;
}

/** @param onStep called for each comparison, so that a test can count them */
export function createRanking<Item>(onStep: () => void = () => {}): Ranking<Item> {
  // A binary heap: no node weighs more than its parent, at half its index.
  let heap: Node<Item>[] = [];
  const nodes = new Map<Item, Node<Item>>();
  let puts = 0;

  const weighsMore = (a: Node<Item>, b: Node<Item>): boolean => {
    onStep();
    return a.weight === b.weight ? a.putAt < b.putAt : a.weight > b.weight;
  };
  const setAt = (index: number, node: Node<Item>): void => {
    heap[index] = node;
    node.index = index;
  };
  const rise = (node: Node<Item>): void => {
    for (;;) {
      const parent = heap[(node.index - 1) >> 1];
      if (node.index === 0 || parent === undefined || !weighsMore(node, parent)) return;
      const { index } = parent;
      setAt(node.index, parent);
      setAt(index, node);
    }
  };
  const sink = (node: Node<Item>): void => {
    for (;;) {
      const child = heavierOf(heap[2 * node.index + 1], heap[2 * node.index + 2]);
      if (child === undefined || !weighsMore(child, node)) return;
      const { index } = child;
      setAt(node.index, child);
      setAt(index, node);
    }
  };
  const heavierOf = (a: Node<Item> | undefined, b: Node<Item> | undefined): Node<Item> | undefined =>
    a === undefined || (b !== undefined && weighsMore(b, a)) ? b : a;

  return {
    put: (item, weight) => {
      let node = nodes.get(item);
      if (node === undefined) {
        node = { item, weight, putAt: puts++, index: heap.length };
        nodes.set(item, node);
        heap.push(node);
      } else {
        node.weight = weight;
        node.putAt = puts++;
      }
      rise(node);
      sink(node);
    },
    delete: (item) => {
      const node = nodes.get(item);
      if (node === undefined) return;
      nodes.delete(item);
      const last = heap.pop();
      if (last === undefined || last === node) return;
      setAt(node.index, last);
      rise(last);
      sink(last);
    },
    heaviest: (except) => {
      const [first] = heap;
      if (first?.item !== except) return first?.item;
      return heavierOf(heap[1], heap[2])?.item;
    },
    clear: () => {
      heap = [];
      nodes.clear();
    },
  };
}
