/** What is left of behaviour events that are forgotten: how many there were, in all and by what is no person's. */

/** What a count is divided by; each by itself, never by two at once. */
export const DIVISIONS = ['type', 'name', 'source', 'device', 'country', 'form'] as const
export type Division = (typeof DIVISIONS)[number]

/** Events, and those among them that are conversions. */
export type Pair = readonly [events: number, conversions: number]

/** One division. What says nothing of it is in neither. */
export interface Part {
  readonly of: { readonly [value: string]: Pair }
  /** Of values that there was no more room for. */
  readonly rest: Pair
}

/** By currency (empty: it does not say) conversions that had a value, and the sum of those. Null: they were not counted then. */
export type Worth = { readonly [currency: string]: readonly [conversions: number, value: number] } | null

export interface Counts {
  readonly events: number
  readonly conversions: number
  readonly worth: Worth
  readonly by: { readonly [division in Division]: Part }
}

/** One event as it is counted; null: it does not say. */
export interface Counted {
  readonly isConversion: boolean
  /** What a conversion was worth. */
  readonly value: number | null
  readonly currency: string | null
  readonly values: { readonly [division in Division]: string | null }
}

const NONE: Pair = [0, 0]
const EMPTY: Part = { of: {}, rest: NONE }

export const noCounts = (): Counts => ({
  events: 0,
  conversions: 0,
  worth: {},
  by: { type: EMPTY, name: EMPTY, source: EMPTY, device: EMPTY, country: EMPTY, form: EMPTY },
})

export function countsOf({ isConversion, value, currency, values }: Counted): Counts {
  const pair: Pair = [1, isConversion ? 1 : 0]
  const part = (value: string | null): Part => (value === null ? EMPTY : { of: { [value]: pair }, rest: NONE })
  return {
    events: 1,
    conversions: pair[1],
    worth: isConversion && value !== null ? { [currency ?? '']: [1, value] } : {},
    by: {
      type: part(values.type),
      name: part(values.name),
      source: part(values.source),
      device: part(values.device),
      country: part(values.country),
      form: part(values.form),
    },
  }
}

/** Both together. No total is lost: values beyond `valuesMax` of a division, the rarest first, are counted under `rest`. */
export function addCounts(one: Counts, other: Counts, valuesMax: number): Counts {
  const by = Object.fromEntries(
    DIVISIONS.map((division) => [division, addParts(one.by[division], other.by[division], valuesMax)]),
  ) as { [division in Division]: Part }
  return {
    events: one.events + other.events,
    conversions: one.conversions + other.conversions,
    worth: addWorth(one.worth, other.worth),
    by,
  }
}

/** Digits that a sum of money can have and be the same in whichever order it is added up. */
const DIGITS = 15

/** Never over currencies. */
export function addWorth(one: Worth, other: Worth): Worth {
  if (one === null || other === null) return null
  const sums = new Map(Object.entries(one))
  for (const [currency, [many, value]] of Object.entries(other)) {
    const [known, sum] = sums.get(currency) ?? [0, 0]
    sums.set(currency, [known + many, Number((sum + value).toPrecision(DIGITS))])
  }
  return Object.fromEntries(sums)
}

/** Of a row: what programs counted that knew of no values is null. */
export function readParts(parts: string, conversions: number): Pick<Counts, 'by' | 'worth'> {
  const { worth = null, ...by } = JSON.parse(parts) as Counts['by'] & { readonly worth?: Worth }
  return { by, worth: worth ?? (conversions === 0 ? {} : null) }
}

export const partsText = ({ by, worth }: Pick<Counts, 'by' | 'worth'>): string => JSON.stringify({ ...by, worth })

const plus = ([events, conversions]: Pair, other: Pair): Pair => [events + other[0], conversions + other[1]]

function addParts(one: Part, other: Part, valuesMax: number): Part {
  // A map: a sender's text may be the name of anything.
  const of = new Map(Object.entries(one.of))
  for (const [value, pair] of Object.entries(other.of)) of.set(value, plus(of.get(value) ?? NONE, pair))
  let rest = plus(one.rest, other.rest)
  if (of.size > valuesMax) {
    const rarest = [...of].toSorted(([name, a], [last, b]) => b[0] - a[0] || (name < last ? -1 : 1)).slice(valuesMax)
    for (const [value, pair] of rarest) {
      rest = plus(rest, pair)
      of.delete(value)
    }
  }
  return { of: Object.fromEntries(of), rest }
}
