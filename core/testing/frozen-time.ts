/** A bundle whose `Date` stands still: what a plugin says about "now" is then the test's to decide. */
import { createHash } from 'node:crypto'
import type { Bundle } from '../sandbox/sandbox.ts'

/**
 * The same plugin at this time. What is added stands before its first line, so that no place in an error moves; the hub's
 * own half of the isolate took its clock before, and measures as ever.
 */
export function atTime(bundle: Bundle, nowMs: number): Bundle {
  const code = `${FREEZE}(${nowMs});${bundle.code}`
  return { ...bundle, code, hash: createHash('sha256').update(code).digest('hex') }
}

/** Runs inside the isolate, in one line. */
const FREEZE = [
  '((nowMs) => {',
  'const Real = Date;',
  'const frozen = new Proxy(Real, {',
  'construct: (target, args, as) => Reflect.construct(target, args.length === 0 ? [nowMs] : args, as),',
  'apply: () => new Real(nowMs).toString(),',
  "get: (target, key) => key === 'now' ? () => nowMs : Reflect.get(target, key),",
  '});',
  "Object.defineProperty(Real.prototype, 'constructor', { value: frozen, writable: true, configurable: true });",
  'globalThis.Date = frozen;',
  '})',
].join(' ')
