/** Holds the settings against the org without changing anything there: login, version, object, field map. */
import type { Finding } from 'manifold/plugin'
import { describedFields, mappingFindings, templateFindings } from './describe.ts'
import { apiErrors, wordsOf } from './outcomes.ts'
import { callOrg, Refused, type Ctx } from './session.ts'

/** What is wrong with the installation. Throws what `ctx.token` and `ctx.http` throw when the org cannot be asked. */
export async function check(ctx: Ctx): Promise<readonly Finding[]> {
  try {
    return [...templateFindings(ctx.config), ...(await look(ctx))]
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (error instanceof Refused || code === 'credential_refused') return [{ level: 'error', message, at: '/auth' }]
    throw error
  }
}

async function look(ctx: Ctx): Promise<readonly Finding[]> {
  const { object, apiVersion } = ctx.config
  const versions = await callOrg(ctx, { method: 'GET', path: '' })
  const offered = versionsIn(versions.body)
  if (versions.status === 200 && offered.length > 0 && !offered.includes(apiVersion)) {
    const message = `The org does not offer the API version ${apiVersion}; it has ${offered[0]} to ${offered.at(-1)}.`
    return [{ level: 'error', message, at: '/apiVersion' }]
  }
  const answer = await callOrg(ctx, { method: 'GET', path: `/v${apiVersion}/sobjects/${object}/describe` })
  if (answer.status === 404) {
    const message = `There is no object "${object}" that the user the hub works as may see.`
    return [{ level: 'error', message, at: '/object' }]
  }
  if (answer.status !== 200) {
    const level = answer.status >= 500 || answer.status === 429 ? 'warning' : 'error'
    return [{ level, message: wordsOf(answer, apiErrors(answer.body)) }]
  }
  const fields = answer.truncated ? null : describedFields(answer.json())
  if (fields !== null) return mappingFindings(ctx.config, fields)
  return [
    {
      level: 'warning',
      message: `What the org says of ${object} is too long to be read; the fields were not looked at.`,
    },
  ]
}

function versionsIn(body: string): readonly string[] {
  try {
    const list = JSON.parse(body) as readonly { readonly version?: unknown }[]
    return list.flatMap(({ version }) => (typeof version === 'string' ? [version] : []))
  } catch {
    return []
  }
}
