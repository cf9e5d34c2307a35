/** `manifold send`: posts one response through the public API. */
import { text } from 'node:stream/consumers'
import { isDeepStrictEqual } from 'node:util'
import type { Call, Run } from './call.ts'
import { textOption } from './call.ts'
import { CliError } from './exit-codes.ts'
import type { HubClient } from './hub-client.ts'
import { connect } from './hub-client.ts'
import { formFields, quarantinedRow, quarantinePage, receipt as receiptRow } from './rows.ts'
import type { QuarantinedRow } from './rows.ts'
import { oneLine } from './terminal.ts'

export const run: Run = async (call) => {
  const [form = '', ...pairs] = call.args
  const hub = connect(call)
  const path = `/api/v2/forms/${encodeURIComponent(form)}`
  const data = pairs.length > 0 ? await fromPairs(call, hub, { path, pairs }) : await fromJson(call)
  const clientId = textOption(call, 'clientId')
  const body = {
    data,
    ...(call.options['partial'] ? { status: 'partial' } : {}),
    ...(clientId === undefined ? {} : { client_id: clientId }),
  }
  const receipt = await hub
    .request('POST', `${path}/responses`, { as: receiptRow, body })
    .catch(async (error: unknown) => {
      await tellRejected(call, hub, { form, data })
      throw error
    })
  if (call.options['json']) return call.terminal.json(receipt)
  const aside = await putAside(hub, receipt.id)
  if (aside === null) return call.terminal.line(`${receipt.id} ${receipt.status}, event ${receipt.event_id}`)
  const { verdict, installation, reason, message } = aside
  const why = `${reason}${message === null ? '' : `: ${message}`}`
  call.terminal.line(oneLine(`${receipt.id} is in quarantine: ${verdict} by ${installation} (${why})`))
  call.terminal.say(`  → manifold quarantine show ${receipt.id}`)
}

/** What a transform refused is kept; the newest that was refused with these answers is this one. */
async function tellRejected(
  { terminal }: Call,
  hub: HubClient,
  { form, data }: { readonly form: string; readonly data: unknown },
): Promise<void> {
  const query = new URLSearchParams({ form, verdict: 'rejected', limit: '20' })
  const page = await hub
    .request('GET', `/api/v2/quarantine?${query.toString()}`, { as: quarantinePage })
    .catch(() => null)
  const found = page?.items.find(({ received }) => isDeepStrictEqual(received, data))
  if (found !== undefined)
    terminal.say(
      oneLine(`It is in quarantine, rejected by ${found.installation}: manifold quarantine show ${found.id}`),
    )
}

/** Senders are not told of it; a key that may read quarantine is. Null: it is stored, or this key may not know. */
async function putAside(hub: HubClient, id: string): Promise<QuarantinedRow | null> {
  try {
    return await hub.request('GET', `/api/v2/quarantine/${encodeURIComponent(id)}`, { as: quarantinedRow })
  } catch (error) {
    if (error instanceof CliError) return null
    throw error
  }
}

async function fromJson(call: Call): Promise<Record<string, unknown>> {
  const given = textOption(call, 'answers')
  if (given === undefined && process.stdin.isTTY)
    throw new CliError(
      'usage',
      'There are no answers.',
      'write key=value, --answers \'{"key":"value"}\', or pipe JSON in',
    )
  const json = given === undefined || given === '-' ? await text(process.stdin) : given
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    throw new CliError('usage', `The answers are not valid JSON: ${(error as Error).message}`)
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new CliError('usage', 'The answers must be a JSON object such as {"email":"ada@example.com"}.')
  return value as Record<string, unknown>
}

/** `key=value`, read by the field's type; `key:=json` takes the value as JSON. A key that comes twice becomes a list. */
async function fromPairs(
  { terminal }: Call,
  hub: HubClient,
  { path, pairs }: { readonly path: string; readonly pairs: readonly string[] },
): Promise<Record<string, unknown>> {
  const form = await hub.request('GET', path, { as: formFields })
  const types = new Map(form.fields.map((field) => [field.key, field.type]))
  const data: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const pair of pairs) {
    const match = /^([^=:]+)(:?=)([\s\S]*)$/.exec(pair)
    if (!match) throw new CliError('usage', `"${pair}" is no answer.`, 'write key=value')
    const [, key = '', operator, raw = ''] = match
    const value = operator === ':=' ? parsed(pair, raw) : readAs(types.get(key), raw)
    const before = data[key]
    data[key] = before === undefined ? value : [before, value].flat()
  }
  const strangers = Object.keys(data).filter((key) => !types.has(key))
  // A form may keep them, so they are sent; a slip of the finger is seen all the same.
  if (strangers.length > 0)
    terminal.say(
      `No field of the form: ${strangers.join(', ')}; there are: ${form.fields.map(({ key }) => key).join(', ')}.`,
    )
  return data
}

function parsed(pair: string, raw: string): unknown {
  try {
    return JSON.parse(raw)
  } catch {
    throw new CliError('usage', `"${pair}": what follows ":=" must be JSON.`, 'write key=value for plain text')
  }
}

function readAs(type: string | undefined, raw: string): unknown {
  if ((type === 'number' || type === 'rating') && /^-?\d+(\.\d+)?$/.test(raw)) return Number(raw)
  if (type === 'boolean' && /^(true|yes|1)$/i.test(raw)) return true
  if (type === 'boolean' && /^(false|no|0)$/i.test(raw)) return false
  return type === 'multi_select' ? raw.split(',').map((part) => part.trim()) : raw
}
