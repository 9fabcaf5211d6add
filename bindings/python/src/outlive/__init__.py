"""outlive: PHP's connection handling for Python servers. Requests that outlive their connections.

The plain API is `Config`, `Settings`, `Engine` and `Request`; `outlive.wsgi` and `outlive.asgi` are the middleware; PHP's own names
act on the current request. See README.md.
"""

from . import config as _config, dir_config as _dir_config, engine as _engine, enums as _enums, errors as _errors, ini as _ini
from . import php_api as _php_api, request as _request
from ._library import VERSION as __version__
from ._policy import ViewPolicy, finish, held, policy, stop
from ._resumed import drain_resumed, resumed
from ._on_stop import OnStop
from .config import *
from .dir_config import *
from .engine import *
from .errors import *
from .ini import *
from .php_api import *
from .request import *
from .status import status_app
from .enums import *

__all__ = ["__version__"]
__all__ += _config.__all__
__all__ += _dir_config.__all__
__all__ += _engine.__all__
__all__ += ["OnStop", "ViewPolicy", "drain_resumed", "finish", "held", "policy", "resumed", "status_app", "stop"]
__all__ += _errors.__all__
__all__ += _ini.__all__
__all__ += _php_api.__all__
__all__ += _request.__all__
__all__ += _enums.__all__
