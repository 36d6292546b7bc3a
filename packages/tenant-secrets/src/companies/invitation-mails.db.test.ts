import { whenDone } from "@repo/db/testing";
import { createSmtpMail } from "@repo/mail";
import { startInbox } from "@repo/mail/inbox";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFixture, operator } from "../testing/fixture.ts";

const fixture = await createFixture();
const { superuser } = fixture;
const refusals = new Map<string, string>();
const inbox = await startInbox({ refusalOf: (to) => refusals.get(to) });
whenDone(() => inbox.stop());
const { invitations, mailing } = fixture.another({
  mail: {
    send: createSmtpMail({ url: inbox.smtpUrl, from: "no-reply@example.test" }),
    publicUrl: "https://admin.example.test",
  },
});

const Payload = z.strictObject({ encrypted: z.string(), id: z.uuid() });

/** Takes the oldest mail that waits. */
async function takeMail(): Promise<z.infer<typeof Payload>> {
  const [job] = await superuser`
    delete from graphile_worker._private_jobs where id = (select min(id) from graphile_worker._private_jobs) returning payload`;
  return Payload.parse(job?.["payload"]);
}
const deliver = async ({ encrypted, id }: z.infer<typeof Payload>): Promise<void> => {
  await mailing?.deliver(encrypted, id).catch(() => {});
};

test("an invitation tells what became of its last mail, and not what the mail server said", async () => {
  const company = await fixture.company("database");
  const email = "pat@example.test";
  const mailOf = async () => (await invitations.list(operator, company))[0]?.mail;
  refusals.set(email, "no such person: fake-smtp-password-0001");
  const { id, mail } = await invitations.create(operator, company, { email, role: "member" });
  expect(mail).toEqual({ state: "waiting" });
  const first = await takeMail();
  await deliver(first);
  expect(await mailOf()).toEqual({ state: "failed", at: expect.any(Date), failure: "recipient-refused" });
  expect(JSON.stringify(await superuser`select * from invitations`)).not.toContain("fake-smtp-password");

  refusals.clear();
  expect((await invitations.resend(operator, company, id)).mail).toEqual({ state: "waiting" });
  const second = await takeMail();
  // The first one is tried again, and its link works no longer.
  await deliver(first);
  expect(await mailOf()).toEqual({ state: "waiting" });
  await deliver(second);
  expect(await mailOf()).toEqual({ state: "accepted", at: expect.any(Date) });
});

test("an invitation says that its mail server does not answer", async () => {
  const company = await fixture.company("database");
  await invitations.create(operator, company, { email: "lou@example.test", role: "member" });
  const waiting = await takeMail();
  await inbox.stop();
  await deliver(waiting);
  expect((await invitations.list(operator, company))[0]?.mail).toMatchObject({
    state: "failed",
    failure: "no-connection",
  });
});
