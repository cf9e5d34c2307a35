/** Reads the configuration file, or says in one problem why it cannot be read. */
import { open } from 'node:fs/promises'
import { LIMITS } from '../limits.ts'
import type { ConfigProblem } from './config.ts'

/** The text as it stands in the file. */
export async function readConfigText(file: string): Promise<string | ConfigProblem> {
  const refuse = (message: string, hint: string | null): ConfigProblem => ({
    place: { file, line: 1, column: 1 },
    path: '',
    message,
    hint,
  })
  try {
    await using handle = await open(file, 'r')
    const info = await handle.stat()
    if (!info.isFile()) return refuse('is not a file', 'name the file, e.g. --config manifold.yaml')
    if (info.size > LIMITS.configBytesMax) return refuse(`is larger than ${LIMITS.configBytesMax} bytes`, null)
    const bytes = await handle.readFile()
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return text
  } catch (error) {
    if (error instanceof TypeError) return refuse('is not UTF-8 text', 'save it as UTF-8')
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return refuse('there is no such file', '`manifold init` writes one')
    if (code === 'ELOOP') return refuse('is a symbolic link that leads back to itself', null)
    if (code === 'EACCES')
      return refuse('may not be read by this user', 'check the permissions of the file and its folders')
    if (code === 'EISDIR') return refuse('is a folder', 'name the file, e.g. --config manifold.yaml')
    return refuse(`cannot be read (${code ?? String(error)})`, null)
  }
}
