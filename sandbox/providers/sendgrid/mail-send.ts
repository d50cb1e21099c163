/** The body of `POST /v3/mail/send`, as far as the sandbox reads it; `validateMailSend` has looked at every part. */
export interface MailSend {
  personalizations: Personalization[];
  from: EmailObject;
  reply_to?: EmailObject;
  reply_to_list?: EmailObject[];
  subject?: string;
  content?: { type: string; value: string }[];
  attachments?: { content: string; filename: string; type?: string; content_id?: string }[];
  template_id?: string;
  headers?: Record<string, string>;
  categories?: string[];
  custom_args?: Record<string, string>;
  mail_settings?: { sandbox_mode?: { enable?: boolean } };
}

export interface Personalization {
  to: EmailObject[];
  cc?: EmailObject[];
  bcc?: EmailObject[];
  from?: EmailObject;
  subject?: string;
  headers?: Record<string, string>;
  substitutions?: Record<string, string>;
  dynamic_template_data?: unknown;
  custom_args?: Record<string, string>;
}

export interface EmailObject {
  email: string;
  name?: string;
}
