/**
 * Looks at an installation's settings and credential without changing anything: can the spreadsheet be read, may it be
 * written to, is the tab there, does its header fit.
 */
import type { CapabilityError, CheckContext, FinalOutcome, Finding } from 'manifold/plugin'
import { call } from './api.ts'
import { isTimeZone } from './cells.ts'
import { columnsOf } from './columns.ts'
import { planHeader, readSheet } from './header.ts'
import type { Sheet } from './header.ts'
import { isOutcome, outcomeOf, vendorError } from './outcome.ts'
import type { Config } from './types.d.ts'

type Ctx = CheckContext<Config>

const error = (message: string, at: string): Finding => ({ level: 'error', message, at })

/** How Google words that it took the request and found no such range. */
const NO_SUCH_RANGE = /requests\[0\]|named ?range/i

/** Where a problem of this code is mended. */
const PLACES: { readonly [code: string]: string | undefined } = {
  tab_missing: '/tab',
  credential_refused: '/credentials',
  config_invalid: '/credentials/private_key',
  secret_missing: '/credentials/private_key',
}

/** Empty when all is well. */
export async function check(ctx: Ctx): Promise<readonly Finding[]> {
  const { timeZone } = ctx.config
  const findings: Finding[] = []
  if (timeZone !== undefined && !isTimeZone(timeZone))
    findings.push(error(`"${timeZone}" is no time zone; write for example "Europe/Berlin".`, '/timeZone'))
  try {
    const sheet = await readSheet(ctx)
    if (isOutcome(sheet)) return [...findings, told(sheet)]
    const refused = await mayWrite(ctx)
    if (refused !== null) findings.push(told(refused))
    findings.push(...(await headerFindings(ctx, sheet)))
  } catch (failure) {
    const { code, message } = failure as CapabilityError
    findings.push(error(message, PLACES[code] ?? '/spreadsheet'))
  }
  return findings
}

function told(outcome: FinalOutcome): Finding {
  if (outcome.outcome === 'dead') return error(outcome.message, PLACES[outcome.code] ?? '/spreadsheet')
  if (outcome.outcome === 'unauthorized') return error(outcome.message, '/credentials')
  return { level: 'warning', message: 'reason' in outcome ? outcome.reason : 'Google cannot be asked at the moment.' }
}

/**
 * Asks to take away what is not there: who may not edit is refused, and who may is told that there is no such thing. Nothing
 * is edited, since Google applies no request of which a part is invalid.
 */
async function mayWrite(ctx: Ctx): Promise<FinalOutcome | null> {
  const { tab, credentials } = ctx.config
  const requests = [{ deleteNamedRange: { namedRangeId: 'manifold-none' } }]
  const answer = await call(ctx, { method: 'POST', path: ':batchUpdate', body: JSON.stringify({ requests }) })
  const isAllowed = answer.status === 200 || (answer.status === 400 && NO_SUCH_RANGE.test(vendorError(answer).message))
  return isAllowed ? null : outcomeOf(answer, { email: credentials.client_email, tab })
}

async function headerFindings(ctx: Ctx, { header }: Sheet): Promise<readonly Finding[]> {
  const { config } = ctx
  const known = new Set((await ctx.kv.get('headers')) as readonly string[] | undefined)
  // Without "columns" they follow from the form, which only a response brings.
  const own = columnsOf(config, undefined).slice(0, config.columns === undefined ? 1 : undefined)
  const names = new Set(own.map((column) => column.header))
  const before = [...known].filter((text) => !names.has(text)).map((text) => ({ ...own[0]!, header: text }))
  const wanted = config.columns === undefined ? [...own, ...before] : own
  const { added, missing } = planHeader({ header, wanted, known, policy: config.missingHeader })
  const list = (texts: readonly string[]): string => texts.map((text) => `"${text}"`).join(', ')
  const fresh = added.map((column) => column.header).filter((text) => !missing.includes(text))
  const findings: Finding[] = []
  if (fresh.length > 0)
    findings.push({ level: 'info', message: `The first row will make the columns ${list(fresh)} at the right end.` })
  if (missing.length === 0) return findings
  const what = {
    recreate: 'they will be made again',
    skip: 'their values are left out',
    stop: 'the installation will stop',
  }
  // What mends itself with the next response is no trouble that stands there until somebody looks again.
  const level = ({ recreate: 'info', skip: 'warning', stop: 'error' } as const)[config.missingHeader]
  return [
    ...findings,
    {
      level,
      message: `The columns ${list(missing)} are gone or renamed: ${what[config.missingHeader]}.`,
      at: '/missingHeader',
    },
  ]
}
