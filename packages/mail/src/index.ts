export { isAddress, type Mail, MailError, oneLine, type SendMail } from "./mail.ts";
export { createSmtpMail, type SmtpOptions } from "./smtp-mail.ts";
