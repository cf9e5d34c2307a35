/** Makes a rename last: what stands in a folder is on the disk when the folder is. */
import { open } from 'node:fs/promises'

/** Resolves when the names in the folder are on the disk. */
export async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r')
  await folder.sync().finally(() => folder.close())
}
