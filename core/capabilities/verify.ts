/** Whether the sender of a request knows a secret of the installation. Compares digests in constant time; says only yes or why not. */
import { hash, timingSafeEqual } from 'node:crypto'
import type { Json, Verified } from '../contract/index.ts'
import type { RouteArrival } from '../delivery/ports.ts'
import type { Args } from './arguments.ts'
import { secretName } from './sealed.ts'
import { hmac, isKeyFormat } from './signing.ts'
import type { KeyFormat, KeyRing } from './signing.ts'

const TOLERANCE_S_DEFAULT = 300
/** Of a list of signatures; a longer one is no sender's. */
const SIGNATURES_MAX = 20
const HEX = /^(?:[0-9a-f]{2})+$/i
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
const SECONDS = /^\d{1,12}$/

export interface VerifyScope {
  readonly keys: KeyRing
  readonly arrival: RouteArrival
  readonly nowMs: number
}

/** `args` come from the guest. Throws `capability_input`, `secret_missing`, `config_invalid`. */
export function verify(args: Args, scope: VerifyScope): Json {
  const scheme = args.text('scheme')
  const name = secretName(args.all['key'])
  if (name === undefined) throw args.wrong('key has to be a secret, such as ctx.config.secret')
  if (!isScheme(scheme)) throw args.wrong(`scheme has to be one of ${Object.keys(SCHEMES).join(', ')}`)
  return { ...SCHEMES[scheme]({ args, name, ...scope }) }
}

interface Question extends VerifyScope {
  readonly args: Args
  readonly name: string
}

const SCHEMES = { token, hmac: bodyHmac, timestamp: timestamped, standard } as const satisfies Record<
  string,
  (question: Question) => Verified
>

const isScheme = (text: string): text is keyof typeof SCHEMES => Object.hasOwn(SCHEMES, text)

const OK: Verified = { ok: true, reason: null }
const no = (reason: NonNullable<Verified['reason']>): Verified => ({ ok: false, reason })

/** Both sides are hashed first, so that nothing is told of the secret's length either. */
function token(question: Question): Verified {
  const value = valueOf(question)
  if (value === undefined) return no('missing')
  const same = timingSafeEqual(
    hash('sha256', value, 'buffer'),
    hash('sha256', question.keys.text(question.name), 'buffer'),
  )
  return same ? OK : no('wrong')
}

function bodyHmac(question: Question): Verified {
  const { args, arrival } = question
  const alg = args.optionalText('alg') ?? 'sha256'
  const encoding = args.optionalText('encoding') ?? 'hex'
  if (alg !== 'sha256' && alg !== 'sha512') throw args.wrong('alg has to be sha256 or sha512')
  if (encoding !== 'hex' && encoding !== 'base64') throw args.wrong('encoding has to be hex or base64')
  const value = valueOf(question)
  const given = value === undefined ? undefined : bytesOf(value, encoding)
  if (given === undefined) return no('missing')
  return isDigest(question, { alg, format: formatOf(args, 'utf8'), data: [arrival.bytes], given: [given] })
    ? OK
    : no('wrong')
}

/** Stripe's style (https://docs.stripe.com/webhooks#verify-manually). */
function timestamped(question: Question): Verified {
  const parts = (valueOf(question) ?? '').split(',').map((part) => part.trim().split('=', 2))
  const time = parts.find(([name]) => name === 't')?.[1]
  const given = parts
    .filter(([name, value]) => name === 'v1' && value !== undefined)
    .flatMap(([, value = '']) => bytesOf(value, 'hex') ?? [])
  if (time === undefined || !SECONDS.test(time) || given.length === 0) return no('missing')
  const data = [`${time}.`, question.arrival.bytes]
  const format = formatOf(question.args, 'utf8')
  return isDigest(question, { alg: 'sha256', format, data, given }) ? inTime(question, time) : no('wrong')
}

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
function standard(question: Question): Verified {
  const { headers, bytes } = question.arrival
  const [id, time, signatures] = ['id', 'timestamp', 'signature'].map(
    (name) => headers[`webhook-${name}`] ?? headers[`svix-${name}`],
  )
  const given = (signatures ?? '')
    .split(' ')
    .filter((signature) => signature.startsWith('v1,'))
    .flatMap((signature) => bytesOf(signature.slice('v1,'.length), 'base64') ?? [])
  if (id === undefined || time === undefined || !SECONDS.test(time) || given.length === 0) return no('missing')
  const data = [`${id}.${time}.`, bytes]
  const format = formatOf(question.args, 'whsec')
  return isDigest(question, { alg: 'sha256', format, data, given }) ? inTime(question, time) : no('wrong')
}

/** Asked only of what is signed rightly: a stranger learns nothing of the hub's clock. */
function inTime({ args, nowMs }: Question, seconds: string): Verified {
  const toleranceMs = (args.optionalNumber('toleranceS') ?? TOLERANCE_S_DEFAULT) * 1_000
  return Math.abs(nowMs - Number(seconds) * 1_000) <= toleranceMs ? OK : no('old')
}

interface Claim {
  readonly alg: 'sha256' | 'sha512'
  readonly format: KeyFormat
  readonly data: readonly (string | Buffer)[]
  /** Any one of them is enough. */
  readonly given: readonly Buffer[]
}

function isDigest({ keys, name }: Question, { alg, format, data, given }: Claim): boolean {
  const key = keys.hmacKey(name, format)
  const wanted = Buffer.from(hmac({ alg, key, data, encoding: 'hex' }), 'hex')
  let isOne = false
  for (const bytes of given.slice(0, SIGNATURES_MAX))
    if (bytes.length === wanted.length && timingSafeEqual(bytes, wanted)) isOne = true
  return isOne
}

function bytesOf(text: string, encoding: 'hex' | 'base64'): Buffer | undefined {
  return (encoding === 'hex' ? HEX : BASE64).test(text) ? Buffer.from(text, encoding) : undefined
}

function formatOf(args: Args, byDefault: KeyFormat): KeyFormat {
  const format = args.optionalText('keyFormat') ?? byDefault
  if (!isKeyFormat(format)) throw args.wrong('keyFormat has to be utf8, base64 or whsec')
  return format
}

/** The value where `from` says, without its prefix; undefined when it is not there. Names of authentication schemes have no case. */
function valueOf({ args, arrival }: Question): string | undefined {
  const from = args.object('from')
  const prefix = args.optionalText('prefix') ?? ''
  const places = { header: arrival.headers, query: arrival.query, param: arrival.params } as const
  const [place, name] = Object.entries(from)[0] ?? []
  if (place === undefined || !Object.hasOwn(places, place) || typeof name !== 'string')
    throw args.wrong('from has to be {header}, {query} or {param}')
  const all = places[place as keyof typeof places]
  const key = place === 'header' ? name.toLowerCase() : name
  const value = Object.hasOwn(all, key) ? all[key] : undefined
  if (value === undefined || value.slice(0, prefix.length).toLowerCase() !== prefix.toLowerCase()) return undefined
  const rest = value.slice(prefix.length)
  return rest === '' ? undefined : rest
}
