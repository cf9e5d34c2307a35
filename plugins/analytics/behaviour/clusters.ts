/** Visitors who are alike: k-means (S. Lloyd 1982) over standardised features, begun by k-means++ (Arthur and Vassilvitskii 2007). */

export interface Cluster {
  readonly size: number
  /** Mean of each feature, in its own unit. */
  readonly means: readonly number[]
}

export interface Clustering {
  /** Largest first. */
  readonly clusters: readonly Cluster[]
  /** Of each row, its place in `clusters`. */
  readonly members: Int32Array
  readonly rounds: number
}

const ROUNDS_MAX = 100
/** The same rows give the same clusters. */
const SEED = 20_260_601

export interface Clusters {
  readonly features: number
  readonly k: number
  /** Is called again and again, so that others get their turn; throws once there is no time left. */
  readonly breathe: () => Promise<void>
}

/** `rows` one after the other, `features` numbers each. With fewer different rows than `k`, there are fewer clusters. */
export async function kMeans(rows: Float64Array, { features, k, breathe }: Clusters): Promise<Clustering> {
  const count = rows.length / features
  const scaled = standardised(rows, features)
  let centres = await begin(scaled, { features, k, count, breathe })
  const members = new Int32Array(count).fill(-1)
  let rounds = 0
  for (let moved = true; moved && rounds < ROUNDS_MAX; rounds += 1) {
    moved = false
    await breathe()
    for (let row = 0; row < count; row += 1) {
      const nearest = nearestOf(scaled, row, { centres, features }).centre
      if (members[row] !== nearest) moved = true
      members[row] = nearest
    }
    centres = meansOf(scaled, members, { features, k: centres.length / features })
  }
  return inOrder(rows, members, { features, rounds })
}

/** Counts are skewed: their logarithms, with mean 0 and deviation 1, weigh alike. */
function standardised(rows: Float64Array, features: number): Float64Array {
  const count = rows.length / features
  const scaled = rows.map((value) => Math.log1p(Math.max(0, value)))
  for (let feature = 0; feature < features; feature += 1) {
    let sum = 0
    let squares = 0
    for (let at = feature; at < scaled.length; at += features) sum += scaled[at] as number
    const mean = sum / count
    for (let at = feature; at < scaled.length; at += features) squares += ((scaled[at] as number) - mean) ** 2
    const deviation = Math.sqrt(squares / count) || 1
    for (let at = feature; at < scaled.length; at += features) scaled[at] = ((scaled[at] as number) - mean) / deviation
  }
  return scaled
}

interface Shape {
  readonly features: number
  readonly centres: Float64Array
}

function nearestOf(
  rows: Float64Array,
  row: number,
  { centres, features }: Shape,
): { centre: number; distance: number } {
  let centre = 0
  let distance = Infinity
  for (let each = 0; each * features < centres.length; each += 1) {
    let sum = 0
    for (let feature = 0; feature < features && sum < distance; feature += 1)
      sum += ((rows[row * features + feature] as number) - (centres[each * features + feature] as number)) ** 2
    if (sum < distance) {
      distance = sum
      centre = each
    }
  }
  return { centre, distance }
}

async function begin(
  rows: Float64Array,
  { features, k, count, breathe }: Clusters & { readonly count: number },
): Promise<Float64Array> {
  const random = generator(SEED)
  const chosen: number[] = count === 0 ? [] : [Math.floor(random() * count)]
  const nearest = new Float64Array(count).fill(Infinity)
  while (chosen.length > 0 && chosen.length < k) {
    const last = chosen.at(-1) as number
    const centres = rows.subarray(last * features, (last + 1) * features)
    let total = 0
    await breathe()
    for (let row = 0; row < count; row += 1) {
      nearest[row] = Math.min(nearest[row] as number, nearestOf(rows, row, { centres, features }).distance)
      total += nearest[row] as number
    }
    if (total === 0) break
    let left = random() * total
    let next = 0
    while (next < count - 1 && (left -= nearest[next] as number) > 0) next += 1
    chosen.push(next)
  }
  return Float64Array.from(chosen.flatMap((row) => [...rows.subarray(row * features, (row + 1) * features)]))
}

function meansOf(
  rows: Float64Array,
  members: Int32Array,
  { features, k }: { features: number; k: number },
): Float64Array {
  const sums = new Float64Array(k * features)
  const sizes = new Float64Array(k)
  for (const [row, member] of members.entries()) {
    sizes[member] = (sizes[member] as number) + 1
    for (let feature = 0; feature < features; feature += 1) {
      const at = member * features + feature
      sums[at] = (sums[at] as number) + (rows[row * features + feature] as number)
    }
  }
  return sums.map((sum, at) => sum / Math.max(1, sizes[Math.floor(at / features)] as number))
}

function inOrder(
  rows: Float64Array,
  members: Int32Array,
  { features, rounds }: { readonly features: number; readonly rounds: number },
): Clustering {
  const k = members.reduce((most, member) => Math.max(most, member), -1) + 1
  const means = meansOf(rows, members, { features, k })
  const sizes = Array.from({ length: k }, () => 0)
  for (const member of members) sizes[member] = (sizes[member] as number) + 1
  const order = sizes
    .map((size, member) => ({ size, member }))
    .filter(({ size }) => size > 0)
    .toSorted((a, b) => b.size - a.size || a.member - b.member)
  const places = new Int32Array(k)
  for (const [place, { member }] of order.entries()) places[member] = place
  return {
    clusters: order.map(({ size, member }) => ({
      size,
      means: [...means.subarray(member * features, (member + 1) * features)],
    })),
    members: members.map((member) => places[member] as number),
    rounds,
  }
}

/** mulberry32, Tommy Ettinger, public domain. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
