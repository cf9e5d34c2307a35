/** Code of a plugin that takes over its half of the bridge, by a poisoned built-in: what the bridge puts in a list passes here. */

/** Longer lists than one turn of a test makes. */
const PLACES = 200

/**
 * From here on whatever leaves the isolate is what `forge` makes of it: the source of a function of one honest report (JSON
 * text) and the lane that it is of, which answers text.
 */
export const takeOver = (forge: string): string => `
const forge = ${forge}
for (let n = 0; n < ${PLACES}; n++) {
  Object.defineProperty(Array.prototype, n, {
    configurable: true,
    get() { return undefined },
    set(value) {
      const isReport = typeof value === 'string' && value.startsWith('{"l":')
      const own = isReport ? forge(value, Number(/"l":(\\d+)/.exec(value)[1])) : value
      Object.defineProperty(this, n, { value: own, writable: true, enumerable: true, configurable: true })
    },
  })
}`
