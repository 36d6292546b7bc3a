/** A file that is encrypted to more people than these is encrypted to a list that no one looks through. */
export const maxRecipients = 20;
/** The length of a post-quantum recipient, the longest that is taken: Bech32 of 1,216 bytes after "age1pq". */
export const maxRecipientLength = 1959;

// Bech32 without its separator, which is a 1 (BIP 173).
const x25519 = /^age1[02-9ac-hj-np-z]{58}$/;
const postQuantum = /^age1pq1[02-9ac-hj-np-z]{1952}$/;
const otherKind = /^age1[a-z0-9.+_-]{1,60}1[02-9ac-hj-np-z]+$/;

/**
 * Why a file cannot be encrypted to these recipients of age: public keys of age-keygen, all of X25519 or all post-quantum, as the
 * age tool has it. A typing error that only the checksum shows is not found here.
 *
 * @returns a sentence that quotes none of them, since one may be a private key; undefined where nothing is wrong
 */
export function recipientsFault(recipients: readonly string[]): string | undefined {
  if (recipients.length === 0 || recipients.length > maxRecipients)
    return `A file has 1 to ${maxRecipients} recipients.`;
  for (const [index, recipient] of recipients.entries()) {
    const fault = faultOf(recipient);
    if (fault !== undefined) return `Recipient ${index + 1} ${fault}`;
    const first = recipients.indexOf(recipient);
    if (first < index) return `Recipient ${index + 1} is the same as recipient ${first + 1}: give each once.`;
  }
  const mixed = recipients.some((each) => x25519.test(each)) && recipients.some((each) => !x25519.test(each));
  return mixed
    ? "Some of the recipients are post-quantum (age1pq1…) and some are not, so that the file would be no safer than the weakest: give recipients of one kind."
    : undefined;
}

function faultOf(recipient: string): string | undefined {
  if (x25519.test(recipient) || postQuantum.test(recipient)) return undefined;
  if (/AGE-(?:SECRET-KEY|PLUGIN)-/i.test(recipient) || recipient.includes("PRIVATE KEY"))
    return "is a private key. Do not use it any more: it has left its place. Make a new one with age-keygen, and give the public key that it prints, age1….";
  if (/^(?:ssh-|ecdsa-|sk-)/.test(recipient))
    return "is a key of SSH, which is not taken: give a public key of age-keygen, age1….";
  if (otherKind.test(recipient))
    return "is of hardware or a plugin of age, which is not taken: give a public key of age-keygen, age1….";
  return "is no public key of age-keygen: that is age1 and 58 more characters, or age1pq1 and 1,952 more.";
}
