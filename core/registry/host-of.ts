/** The host that a setting leads to. */

/** Host and port of a URL or a bare host; null when the text is neither. */
export function hostOf(text: string): string | null {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`)
  return url === null || url.host === '' || (url.protocol !== 'http:' && url.protocol !== 'https:') ? null : url.host
}
