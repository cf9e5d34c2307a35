/** Why a hub cannot be reached, in words for whoever typed its address. */

/** Of an address that only its own network knows. */
const PRIVATE = /^(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[(::1|f[cde]))|\.(local|lan|internal)$/

const CERTIFICATE = /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

/** By the code that Node gives it. */
export function unreachable(
  url: string,
  { code = '', message }: { readonly code?: string; readonly message: string },
): string {
  const { host, hostname } = new URL(url)
  const elsewhere = PRIVATE.test(hostname)
    ? ' Zapier reaches only hubs on the internet, not those of a network at home or at work.'
    : ''
  return `${reason(host, hostname, code, message)}${elsewhere}`
}

function reason(host: string, hostname: string, code: string, message: string): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `There is no computer of the name ${hostname}. Look for a slip in the address of the hub.`
  if (code === 'ECONNREFUSED')
    return `Nothing answers at ${host}. The hub does not run, or its address has another port (the number behind the colon).`
  if (CERTIFICATE.test(code))
    return `The certificate of ${host} cannot be trusted: it is for another name, has expired, or was made by hand. Whoever runs the hub has to mend that.`
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_'))
    return `What answers at ${host} does not speak https. Whoever runs the hub has to put it behind https.`
  if (code === 'ECONNRESET') return `${host} hung up before it answered. Try again in a minute.`
  if (message.includes('redirect'))
    return `${host} sends on and on and answers nowhere. Take the address at which the hub itself opens.`
  return `${host} does not answer. Check whether the hub opens at this address in a browser.`
}
