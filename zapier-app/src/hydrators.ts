/** Files: an answer is a link, and Zapier fetches what lies there only for a step that takes the file. */
import type { Bundle, ZObject } from 'zapier-platform-core'

/** Of what a file is fetched from. */
interface FileInput {
  readonly url: string
}

/** The file behind a link, kept where Zapier keeps files; the connection's key does not go along (`middleware.ts`). */
async function file(z: ZObject, bundle: Bundle): Promise<string> {
  const { url } = bundle.inputData as unknown as FileInput
  const response = await z.request({ url, raw: true })
  if (response.status < 200 || response.status >= 300)
    throw new z.errors.Error(
      `The file of this answer cannot be fetched: ${URL.parse(url)?.host ?? url} says ${response.status}.`,
      'file',
      response.status,
    )
  return z.stashFile(response as never)
}

/** By name, as the app declares them. */
export const hydrators = { file }

/** What the hub sends of a response, with each link to a file as a file that is fetched when a step asks for it. */
export function withFiles<Item extends Readonly<Record<string, unknown>>>(z: ZObject, item: Item): Item {
  const { files } = item
  if (typeof files !== 'object' || files === null) return item
  const entries = Object.entries(files).map(([key, url]) => [
    key,
    typeof url === 'string' ? z.dehydrateFile(file as never, { url } satisfies FileInput) : null,
  ])
  return { ...item, files: Object.fromEntries(entries) as unknown }
}
