/** Items by weight. The heaviest is found at once; a change costs a step for each doubling of their number. */
export interface Ranking<Item> {
  /** Adds an item or gives it another weight. Of equal ones, what was put first weighs more. */
  put(item: Item, weight: number): void;
  delete(item: Item): void;
  /** The heaviest but `except`, among at most three that are looked at. */
  heaviest(except: Item): Item | undefined;
  clear(): void;
}

interface Place<Item> {
  readonly item: Item;
  weight: number;
  putAt: number;
  index: number;
}

/** @param onStep called for each place that is looked at, so that a test can count them */
export function createRanking<Item>(onStep: () => void = () => {}): Ranking<Item> {
  // A binary heap: no place weighs more than the one above it, at half its index.
  let heap: Place<Item>[] = [];
  const places = new Map<Item, Place<Item>>();
  let puts = 0;

  const weighsMore = (a: Place<Item>, b: Place<Item>): boolean => {
    onStep();
    return a.weight === b.weight ? a.putAt < b.putAt : a.weight > b.weight;
  };
  const setAt = (index: number, place: Place<Item>): void => {
    heap[index] = place;
    place.index = index;
  };
  const rise = (place: Place<Item>): void => {
    for (;;) {
      const above = heap[(place.index - 1) >> 1];
      if (place.index === 0 || above === undefined || !weighsMore(place, above)) return;
      const { index } = above;
      setAt(place.index, above);
      setAt(index, place);
    }
  };
  const sink = (place: Place<Item>): void => {
    for (;;) {
      const below = heavierOf(heap[2 * place.index + 1], heap[2 * place.index + 2]);
      if (below === undefined || !weighsMore(below, place)) return;
      const { index } = below;
      setAt(place.index, below);
      setAt(index, place);
    }
  };
  const heavierOf = (a: Place<Item> | undefined, b: Place<Item> | undefined): Place<Item> | undefined =>
    a === undefined || (b !== undefined && weighsMore(b, a)) ? b : a;

  return {
    put: (item, weight) => {
      let place = places.get(item);
      if (place === undefined) {
        place = { item, weight, putAt: puts++, index: heap.length };
        places.set(item, place);
        heap.push(place);
      } else {
        place.weight = weight;
        place.putAt = puts++;
      }
      rise(place);
      sink(place);
    },
    delete: (item) => {
      const place = places.get(item);
      if (place === undefined) return;
      places.delete(item);
      const last = heap.pop();
      if (last === undefined || last === place) return;
      setAt(place.index, last);
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
      places.clear();
    },
  };
}
