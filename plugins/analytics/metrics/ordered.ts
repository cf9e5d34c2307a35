/**
 * Numbers in order, each with how often it is there: counts within bounds and exact quantiles in microseconds, however many
 * there are. Kept in short sorted pieces, so that adding or removing one moves a few hundred numbers at most.
 */
const PIECE_MAX = 512
const PIECE_MIN = 8
const BYTES_EACH = Float64Array.BYTES_PER_ELEMENT + Uint32Array.BYTES_PER_ELEMENT

interface Piece {
  values: Float64Array
  counts: Uint32Array
  length: number
  /** Sum of its counts. */
  total: number
}

export class Ordered {
  readonly #pieces: Piece[] = []
  /** How many lie in the pieces before each; null: has to be summed again. */
  #before: number[] | null = null
  size = 0
  /** What its numbers take. */
  bytes = 0

  /** `count` more of a number that is no NaN. */
  add(value: number, count = 1): void {
    this.size += count
    this.#before = null
    const at = this.#pieceOf(value)
    const piece = this.#pieces[at]
    const isPast = piece === undefined || (at === this.#pieces.length - 1 && isFull(piece) && value > lastOf(piece))
    // In rising order, pieces stay full.
    if (isPast) return this.#addPiece(this.#pieces.length, [value], [count])
    const place = placeIn(piece, value)
    piece.total += count
    if (place < piece.length && piece.values[place] === value) {
      piece.counts[place] = (piece.counts[place] ?? 0) + count
      return
    }
    if (isFull(piece)) return this.#split(at, { value, count, place })
    this.#makeRoom(piece)
    insert(piece, { value, count, place })
  }

  /** Throws when it is not there. */
  remove(value: number): void {
    const at = this.#pieceOf(value)
    const piece = this.#pieces[at]
    const place = piece === undefined ? 0 : placeIn(piece, value)
    if (piece === undefined || place >= piece.length || piece.values[place] !== value)
      throw new Error(`${value} is not among the numbers`)
    this.size -= 1
    this.#before = null
    piece.total -= 1
    const count = (piece.counts[place] ?? 1) - 1
    piece.counts[place] = count
    if (count > 0) return
    piece.values.copyWithin(place, place + 1, piece.length)
    piece.counts.copyWithin(place, place + 1, piece.length)
    piece.length -= 1
    if (piece.length > 0) return
    this.bytes -= piece.values.length * BYTES_EACH
    this.#pieces.splice(at, 1)
  }

  /** How many are less. */
  below(value: number): number {
    const at = this.#pieceOf(value)
    const piece = this.#pieces[at]
    if (piece === undefined) return 0
    const place = placeIn(piece, value)
    let count = this.#sums()[at] ?? 0
    for (let n = 0; n < place; n += 1) count += piece.counts[n] ?? 0
    return count
  }

  /** How many are at least `from` and less than `to`. */
  between(from: number, to: number): number {
    return to <= from ? 0 : this.below(to) - this.below(from)
  }

  /** Between the two nearest where it falls between; null where there are none. */
  quantile(q: number): number | null {
    if (this.size === 0) return null
    const rank = (this.size - 1) * q
    const low = this.#nth(Math.floor(rank))
    const high = this.#nth(Math.ceil(rank))
    const part = rank - Math.floor(rank)
    // As the engine does it, so that both come to the same to the last digit.
    return low * (1 - part) + high * part
  }

  get min(): number | null {
    return this.size === 0 ? null : this.#nth(0)
  }

  get max(): number | null {
    return this.size === 0 ? null : this.#nth(this.size - 1)
  }

  *entries(): Generator<readonly [value: number, count: number]> {
    for (const { values, counts, length } of this.#pieces)
      for (let n = 0; n < length; n += 1) yield [values[n] ?? 0, counts[n] ?? 0]
  }

  #nth(rank: number): number {
    const sums = this.#sums()
    let low = 0
    let high = this.#pieces.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((sums[middle] ?? 0) <= rank) low = middle
      else high = middle - 1
    }
    const piece = this.#pieces[low] as Piece
    let left = rank - (sums[low] ?? 0)
    let place = 0
    while (left >= (piece.counts[place] ?? 0)) {
      left -= piece.counts[place] ?? 0
      place += 1
    }
    return piece.values[place] ?? 0
  }

  #sums(): readonly number[] {
    if (this.#before !== null) return this.#before
    let sum = 0
    const sums = this.#pieces.map(({ total }) => {
      sum += total
      return sum - total
    })
    this.#before = sums
    return sums
  }

  /** The last piece that begins at or below it; the first when none does. */
  #pieceOf(value: number): number {
    let low = 0
    let high = this.#pieces.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#pieces[middle]?.values[0] ?? 0) <= value) low = middle
      else high = middle - 1
    }
    return low
  }

  #addPiece(at: number, values: ArrayLike<number>, counts: ArrayLike<number>): void {
    const capacity = Math.max(PIECE_MIN, this.#pieces.length === 0 ? 0 : PIECE_MAX)
    const piece = {
      values: new Float64Array(capacity),
      counts: new Uint32Array(capacity),
      length: values.length,
      total: 0,
    }
    piece.values.set(values)
    piece.counts.set(counts)
    for (let n = 0; n < counts.length; n += 1) piece.total += counts[n] ?? 0
    this.bytes += capacity * BYTES_EACH
    this.#pieces.splice(at, 0, piece)
  }

  #makeRoom(piece: Piece): void {
    const { length } = piece.values
    if (piece.length < length) return
    const values = new Float64Array(length * 2)
    const counts = new Uint32Array(length * 2)
    values.set(piece.values)
    counts.set(piece.counts)
    this.bytes += length * BYTES_EACH
    Object.assign(piece, { values, counts })
  }

  #split(at: number, { value, count, place }: { value: number; count: number; place: number }): void {
    const piece = this.#pieces[at] as Piece
    const half = PIECE_MAX / 2
    this.#addPiece(at + 1, piece.values.subarray(half), piece.counts.subarray(half))
    const second = this.#pieces[at + 1] as Piece
    piece.length = half
    piece.total -= second.total
    if (place <= half) return insert(piece, { value, count, place })
    piece.total -= count
    second.total += count
    insert(second, { value, count, place: place - half })
  }
}

const isFull = ({ length }: Piece): boolean => length === PIECE_MAX
const lastOf = ({ values, length }: Piece): number => values[length - 1] ?? 0

/** Of the first that is not less. */
function placeIn({ values, length }: Piece, value: number): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((values[middle] ?? 0) < value) low = middle + 1
    else high = middle
  }
  return low
}

/** Where there is room; its total knows of it already. */
function insert(piece: Piece, { value, count, place }: { value: number; count: number; place: number }): void {
  piece.values.copyWithin(place + 1, place, piece.length)
  piece.counts.copyWithin(place + 1, place, piece.length)
  piece.values[place] = value
  piece.counts[place] = count
  piece.length += 1
}
