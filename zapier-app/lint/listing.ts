/** M002 and M004: the sentence and the picture under which the app is listed. */

/** Zapier's names for the rules; nothing means that all is well. */
export function listingFindings(listing: {
  readonly description: string
  readonly logo: Uint8Array
}): readonly string[] {
  const { description, logo } = listing
  return [
    ...(description.length < 40 || description.length > 140 ? ['M002 the description has 40 to 140 characters'] : []),
    ...(/\b(zapier|sync)/i.test(description) ? ['M002 the description speaks neither of Zapier nor of syncing'] : []),
    ...logoFindings(logo),
  ]
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
const SIDE_MIN = 256
const RGBA = 6

function logoFindings(logo: Uint8Array): readonly string[] {
  if (!SIGNATURE.every((byte, place) => logo[place] === byte)) return ['M004 the logo is no PNG']
  const view = new DataView(logo.buffer, logo.byteOffset)
  const [width, height] = [view.getUint32(16), view.getUint32(20)]
  return [
    ...(width === height ? [] : ['M004 the logo is not square']),
    ...(Math.min(width, height) < SIDE_MIN ? [`M004 the logo has less than ${SIDE_MIN} pixels a side`] : []),
    ...(view.getUint8(25) === RGBA ? [] : ['M004 the logo has no transparent background (RGBA)']),
  ]
}
