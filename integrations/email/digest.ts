/** How a digest reads as an e-mail. */
import type { ContextOf, Digest } from 'manifold/plugin'
import { asLine, viewOfResponse } from './templates.ts'
import type { Plugin } from './types.d.ts'

type Ctx = Pick<ContextOf<Plugin>, 'responses'>

/** A line for each of the first responses that are still there. */
export async function digestText({ count: counted, responses }: Digest, line: string, ctx: Ctx): Promise<string> {
  const lines: string[] = []
  for (const id of responses) {
    const response = await ctx.responses.get(id)
    if (response !== undefined) lines.push(`* ${asLine(line, viewOfResponse(response), 'digest/line')}`)
  }
  if (counted > lines.length && lines.length > 0) lines.push(`… and ${counted - lines.length} more`)
  return `${[`${counted} new ${counted === 1 ? 'response' : 'responses'}.`, '', ...lines].join('\n')}\n`
}
