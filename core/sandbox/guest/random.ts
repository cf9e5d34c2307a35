/** crypto: randomUUID and getRandomValues, fed with the host's random bytes a pool at a time; subtle comes from outside. */
import { domException } from './dom-exception.ts'
import { addGlobal, ask } from './natives.ts'
import { bytesOf } from './text.ts'

/** The Web Cryptography API's own quota for one call. */
const CALL_BYTES_MAX = 65_536
const POOL_BYTES = 4_096
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const INTEGER_VIEWS = /^(?:Int|Uint|BigInt|BigUint)(?:8|16|32|64)(?:Clamped)?Array$/

let pool = new Uint8Array(0)
let offset = 0

/** Fills it with random bytes. */
export function fill(target: Uint8Array): void {
  for (let at = 0; at < target.length; at++) {
    if (offset === pool.length) refill()
    target[at] = pool[offset] as number
    pool[offset++] = 0
  }
}

function refill(): void {
  const hex = ask({ op: 'random', bytes: POOL_BYTES })
  if (typeof hex !== 'string') throw new Error('The host gave no random bytes')
  pool = new Uint8Array(hex.length / 2)
  for (let at = 0; at < pool.length; at++) pool[at] = Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16)
  offset = 0
}

function getRandomValues<T extends ArrayBufferView>(view: T): T {
  const kind = Object.prototype.toString.call(view).slice(8, -1)
  if (!INTEGER_VIEWS.test(kind)) throw domException('getRandomValues takes an integer array', 'TypeMismatchError')
  if (view.byteLength > CALL_BYTES_MAX)
    throw domException(`At most ${CALL_BYTES_MAX} bytes a call`, 'QuotaExceededError')
  fill(bytesOf(view))
  return view
}

function randomUUID(): string {
  const bytes = new Uint8Array(16)
  fill(bytes)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => HEX[byte]).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** `makeSubtle` is asked when a plugin first looks at `crypto.subtle`. */
export function addCrypto(makeSubtle: () => object): void {
  let subtle: object | undefined
  addGlobal('crypto', {
    getRandomValues,
    randomUUID,
    get subtle() {
      subtle ??= makeSubtle()
      return subtle
    },
  })
}
